"""A project in a folder, which tests change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

TASKS = """
from kernelq import KernelQ

app = KernelQ("project", broker="sqlite:///kernelq.db", backend="sqlite:///kernelq.db")


@app.task
def add(a, b):
    return a + b
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, which is the current one, with a tasks.py that makes an app."""
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def save() -> Callable[[Path, str], None]:
    """A function that writes a file as most editors do: beside it, then in its place."""

    def write(path: Path, text: str) -> None:
        aside = path.with_name(path.name + "~")
        aside.write_text(text)
        os.replace(aside, path)

    return write
