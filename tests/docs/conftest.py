"""The pages, and the module that writes the reference."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def reference(repository: Path) -> ModuleType:
    """The module docs/_hooks/reference.py."""
    spec = importlib.util.spec_from_file_location("reference", repository / "docs/_hooks/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
