"""The thread that watches."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from kernelq_autoreload.scope import Scope
from kernelq_autoreload.watcher import Watcher

SOON = 30.0
"""Seconds that a loaded machine may take for a change that is seen at once."""

Save = Callable[[Path, str], None]


@pytest.fixture
def told() -> Queue[tuple[list[str], Any]]:
    """What the watcher told."""
    return Queue()


@pytest.fixture
def watcher(project: Path, told: Queue[Any]) -> Iterator[Watcher]:
    """A watcher of the project."""
    made = Watcher(Scope([str(project)], []), "tasks", dict, lambda changed, answer: told.put((list(changed), answer)))
    made.start()
    yield made
    made.stop()


def names(answer: Any) -> list[str]:
    """Return the tasks of an answer."""
    return [one["name"] for one in answer["tasks"]]


@pytest.mark.parametrize("how", ["in place", "by rename"])
def test_a_change_is_told_with_what_came_of_it(
    watcher: Watcher, project: Path, told: Queue[Any], save: Save, how: str
) -> None:
    path = project / "tasks.py"
    text = path.read_text().replace("def add", "def sum_of")

    path.write_text(text) if how == "in place" else save(path, text)

    changed, answer = told.get(timeout=SOON)
    assert [str(path)] == changed
    assert ["tasks.sum_of"] == names(answer)


def test_an_error_is_told_and_then_that_it_is_mended(
    watcher: Watcher, project: Path, told: Queue[Any], save: Save
) -> None:
    path = project / "tasks.py"
    good = path.read_text()

    save(path, good + "def broken(:\n")
    assert "SyntaxError" in told.get(timeout=SOON)[1]["error"]

    save(path, good)
    assert ["tasks.add"] == names(told.get(timeout=SOON)[1])


def test_a_deleted_module_is_told(watcher: Watcher, project: Path, told: Queue[Any]) -> None:
    (project / "tasks.py").unlink()

    assert "there is no module 'tasks'" in told.get(timeout=SOON)[1]["error"]


def test_a_new_package_is_watched_once_it_is_imported(
    watcher: Watcher, project: Path, told: Queue[Any], save: Save
) -> None:
    """It was not there when the worker started. Where it is broken, its mending is seen."""
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").write_text("oops(")
    save(project / "tasks.py", "import shop\n" + (project / "tasks.py").read_text())
    answer = told.get(timeout=SOON)[1]
    while "SyntaxError" not in answer.get("error", ""):  # the folder alone may have been told first
        answer = told.get(timeout=SOON)[1]

    (project / "shop" / "__init__.py").write_text("mended = True\n")

    changed, answer = told.get(timeout=SOON)
    assert [str(project / "shop" / "__init__.py")] == changed
    assert ["tasks.add"] == names(answer)


def test_a_change_while_an_import_hangs_begins_anew(
    watcher: Watcher, project: Path, told: Queue[Any], save: Save
) -> None:
    """The hanging one is ended; nobody waits for a minute."""
    path = project / "tasks.py"
    good = path.read_text()
    save(path, "from pathlib import Path\nPath('hangs').touch()\nimport threading\nthreading.Event().wait()\n")
    _until_there(project / "hangs")

    save(path, good)

    assert ["tasks.add"] == names(told.get(timeout=SOON)[1])


def _until_there(path: Path) -> None:
    from kernelq_testkit.waiting import eventually

    eventually(path.exists, SOON, wanted=f"{path.name} to be there")


def test_a_database_beside_the_modules_is_no_change(watcher: Watcher, project: Path, told: Queue[Any]) -> None:
    (project / "kernelq.db").write_bytes(b"1")

    with pytest.raises(Empty):
        told.get(timeout=1.0)


def test_a_folder_that_goes_and_comes_again_is_watched_again(
    watcher: Watcher, project: Path, told: Queue[Any], save: Save
) -> None:
    """A change of the branch may do that."""
    text = (project / "tasks.py").read_text()
    shutil.rmtree(project)
    assert "error" in told.get(timeout=SOON)[1]

    project.mkdir()
    save(project / "tasks.py", text)

    changed, _ = told.get(timeout=SOON)
    assert [str(project / "tasks.py")] == changed


def test_stop_ends_the_thread_also_while_it_asks(watcher: Watcher, project: Path, save: Save) -> None:
    save(project / "tasks.py", "from pathlib import Path\nPath('hangs').touch()\nimport time\ntime.sleep(600)\n")
    _until_there(project / "hangs")

    watcher.stop()

    assert not watcher._thread.is_alive()
