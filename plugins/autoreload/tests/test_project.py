"""Which files are the project's."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import kernelq
from kernelq_autoreload import project as its


@pytest.fixture
def shop(project: Path) -> Any:
    """A package with a module two levels down, imported for the test."""
    inner = project / "its_shop" / "orders"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    (inner / "tasks.py").touch()
    importlib.invalidate_caches()
    yield importlib.import_module("its_shop.orders.tasks")
    for name in [name for name in sys.modules if name.startswith("its_shop")]:
        del sys.modules[name]


def test_a_module_of_the_project_is_its_own(shop: Any) -> None:
    assert its.is_own(shop.__file__)


def test_what_is_installed_is_not() -> None:
    """Python's library, site-packages, and KernelQ itself, though it may be installed from its sources."""
    assert [] == [module for module in (json, pytest, kernelq, its) if its.is_own(str(module.__file__))]


def test_roots_are_where_packages_are_imported_from(shop: Any, project: Path) -> None:
    tops, packages = its.roots()

    assert str(project) in tops
    assert {str(project / "its_shop"), str(project / "its_shop" / "orders")} <= set(packages)


def test_folders_that_hold_no_code_of_the_project_are_passed_over(tmp_path: Path) -> None:
    """Caches, what begins with a dot, and virtual environments."""
    for name in ("pkg/inner", "pkg/__pycache__", "pkg/.git", "pkg/node_modules/x", "pkg/env/lib"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "pkg/env/pyvenv.cfg").touch()

    assert [str(tmp_path / "pkg"), str(tmp_path / "pkg/inner")] == sorted(its.below(str(tmp_path / "pkg")))


def test_paths_are_told_from_the_current_folder(project: Path) -> None:
    assert "tasks.py" == its.short(str(project / "tasks.py"))
    assert "/elsewhere/tasks.py" == its.short("/elsewhere/tasks.py")


def test_many_paths_are_told_as_a_number(project: Path) -> None:
    assert "a.py, b.py, c.py and 2 more" == its.short_all(str(project / f"{name}.py") for name in "edcba")
