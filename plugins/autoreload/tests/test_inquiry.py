"""Asking a new interpreter."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import pytest

from kernelq_autoreload import inquiry


def ask(load: str = "tasks") -> inquiry.Answer | None:
    """Ask, and want the answer."""
    return inquiry.ask(load, {}, lambda: False)


def test_the_answer_is_what_the_files_say_now(project: Path) -> None:
    first = ask()
    path = project / "tasks.py"
    path.write_text(path.read_text().replace("def add", "def sum_of"))

    second = ask()

    assert first is not None
    assert second is not None
    assert ["tasks.add"] == [one["name"] for one in first["tasks"]]
    assert ["tasks.sum_of"] == [one["name"] for one in second["tasks"]]


def test_an_import_that_ends_python_is_an_error(project: Path) -> None:
    """With what it wrote before."""
    (project / "tasks.py").write_text("import os, sys\nprint('farewell', file=sys.stderr, flush=True)\nos._exit(7)\n")

    answer = ask()

    assert answer is not None
    assert "Python ended with exit code 7 while it was imported" == answer["error"]
    assert "farewell" in answer["traceback"]


def test_an_import_that_never_ends_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "PATIENCE", 0.5)
    (project / "tasks.py").write_text("import threading\nthreading.Event().wait()\n")

    answer = ask()

    assert answer is not None
    assert "its import took longer than 0.5 seconds" == answer["error"]


def test_an_answer_that_nobody_wants_any_more_is_not_waited_for(project: Path) -> None:
    """Somebody saved again while the import hung."""
    (project / "tasks.py").write_text("import threading\nthreading.Event().wait()\n")
    unwanted = threading.Event()
    unwanted.set()

    assert inquiry.ask("tasks", {}, unwanted.is_set) is None


def test_settings_are_handed_over_where_nobody_sees_them(project: Path) -> None:
    """A password is in no command line, which every user of the machine may read, and in no environment."""
    (project / "tasks.py").write_text(
        "import os, sys\n"
        "from kernelq import KernelQ\n"
        "with open('/proc/self/cmdline') as line:\n"
        "    seen = line.read() + repr(os.environ)\n"
        "app = KernelQ('p')\n"
        "@app.task(name='hidden' if 'hunter2' not in seen else 'seen')\n"
        "def look(): ...\n"
    )

    answer = inquiry.ask("tasks", {"broker_url": "redis://:hunter2@host/0"}, lambda: False)

    assert answer is not None
    assert "hidden" in [one["name"] for one in answer["tasks"]]


def test_bytecode_of_a_changed_file_is_forgotten(project: Path) -> None:
    """Of a file that is not there, or that is no Python, nothing is."""
    cached = Path(importlib.util.cache_from_source(str(project / "tasks.py")))
    cached.parent.mkdir()
    cached.touch()

    inquiry.forget_bytecode([str(project / "tasks.py"), str(project / "gone.py"), str(project / "page.html")])

    assert not cached.exists()
