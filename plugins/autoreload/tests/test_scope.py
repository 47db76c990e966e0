"""What is watched, and what has changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kernelq_autoreload.scope import Scope


@pytest.fixture
def scope(project: Path) -> Scope:
    """The project's folder, and a package in it."""
    (project / "shop" / "orders").mkdir(parents=True)
    (project / "shop" / "__init__.py").touch()
    return Scope([str(project)], [str(project / "shop")])


def test_nothing_has_changed_at_first(scope: Scope) -> None:
    assert [] == scope.changes()


def test_a_saved_file_is_seen_once(scope: Scope, project: Path, save: Any) -> None:
    save(project / "tasks.py", "new = 1")

    assert [str(project / "tasks.py")] == scope.changes()
    assert [] == scope.changes()


def test_a_save_of_the_same_length_within_the_same_second_is_seen(scope: Scope, project: Path) -> None:
    """Python itself would take its old bytecode for good."""
    path = project / "tasks.py"
    before = path.stat()
    path.write_text(path.read_text().replace("a + b", "a - b"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    assert [str(path)] == scope.changes()


def test_new_and_deleted_files_are_seen(scope: Scope, project: Path) -> None:
    """In the folder itself, and below a package."""
    (project / "tasks.py").unlink()
    (project / "shop" / "orders" / "tasks.py").touch()

    assert [str(project / "shop" / "orders" / "tasks.py"), str(project / "tasks.py")] == scope.changes()


def test_other_files_are_not(scope: Scope, project: Path) -> None:
    """Databases and editors' copies."""
    for name in ("kernelq.db", "tasks.py~", ".tasks.py.swp", ".#tasks.py", "notes.txt"):
        (project / name).touch()

    assert [] == scope.changes()
    assert not scope.concerns(str(project / "kernelq.db-wal"))
    assert scope.concerns(str(project / "tasks.py"))
    assert scope.concerns(str(project / "newfolder"))


def test_a_folder_that_comes_later_is_watched(scope: Scope, project: Path) -> None:
    (project / "shop" / "mail").mkdir()

    assert str(project / "shop" / "mail") in scope.folders()


@pytest.mark.parametrize(
    ("extra", "file"),
    [(".env", ".env"), ("templates", "templates/mail/hello.html"), ("conf/**/*.toml", "conf/eu/prices.toml")],
)
def test_more_can_be_watched(project: Path, extra: str, file: str) -> None:
    """A file that may not be there yet, a whole folder, a glob; all from the current folder."""
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    scope = Scope([str(project)], [], extra=[extra])

    path.write_text("1")
    assert [str(path)] == scope.changes()
    assert scope.concerns(str(path))
    assert str(path.parent) in scope.folders()

    path.unlink()
    assert [str(path)] == scope.changes()


def test_what_is_watched_from_now_on_is_no_change(scope: Scope, project: Path) -> None:
    """But what was written after the given time is: nobody has imported it."""
    other = project / "other"
    other.mkdir()
    (other / "old.py").touch()
    (other / "new.py").touch()
    os.utime(other / "old.py", (1000, 1000))
    os.utime(other / "new.py", (3000, 3000))

    scope.also([str(other)], [], since=2000)

    assert [str(other / "new.py")] == scope.changes()
    assert str(other) in scope.folders()
