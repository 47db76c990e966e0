"""A file that keeps revokes and the clock, whatever happens to the process."""

from __future__ import annotations

import dbm.dumb
import os
import shelve
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_worker.statefile import StateFile

SURROGATE = "\ud800"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "w1.state")


@pytest.fixture
def open_file(path: str) -> Iterator[Any]:
    """A function that opens the file; all of them are closed in the end."""
    opened: list[StateFile] = []

    def make() -> StateFile:
        opened.append(StateFile(path))
        return opened[-1]

    yield make
    for file in opened:
        file.close()


def test_what_was_written_is_there_again_in_the_order_of_time(open_file: Any) -> None:
    file = open_file()
    file.write({"b": 20.5, "a": 10.5, SURROGATE: 15.0}, clock=7)
    file.write({"c": 30.0}, ["b"])
    file.close()

    again = open_file()

    assert {"a": 10.5, SURROGATE: 15.0, "c": 30.0} == again.revoked()
    assert ["a", SURROGATE, "c"] == list(again.revoked())
    assert 7 == again.clock()


def test_a_new_file_is_empty(open_file: Any) -> None:
    file = open_file()

    assert ({}, 0) == (file.revoked(), file.clock())


KILLED = """
import os, signal, sys
from kernelq_worker.statefile import StateFile
file = StateFile(sys.argv[1])
for number in range(100):
    file.write({f"id-{number}": float(number)}, [f"id-{number - 50}"], clock=number)
print("written", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_nothing_that_was_written_and_frees_the_file(path: str, open_file: Any) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, text=True, timeout=60)
    assert (-signal.SIGKILL, "written\n") == (killed.returncode, killed.stdout), killed.stderr

    file = open_file()

    assert [f"id-{number}" for number in range(50, 100)] == list(file.revoked())
    assert 99 == file.clock()


def test_one_worker_has_it_at_a_time(open_file: Any, path: str) -> None:
    first = open_file()

    with pytest.raises(ConfigurationError, match="is in use by another worker; each worker needs its own"):
        StateFile(path)
    ask = "import sys; from kernelq_worker.statefile import StateFile; StateFile(sys.argv[1])"
    other = subprocess.run([sys.executable, "-c", ask, path], capture_output=True, text=True, timeout=60)
    assert "is in use by another worker" in other.stderr

    first.close()
    assert {} == open_file().revoked()


def test_a_forked_child_leaves_the_file_to_its_parent(open_file: Any, path: str) -> None:
    """Locks of a file belong to the process; a child that lives on must not hold them."""
    file = open_file()
    file.write({"a": 1.0})
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent lets go
        os._exit(0)
    os.close(reader)
    file.close()

    try:
        assert {"a": 1.0} == open_file().revoked()
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def test_a_shelve_file_of_celerys_is_refused(path: str) -> None:
    """Celery keeps a shelve there; which kind of file that is depends on Python's build."""
    with shelve.open(path) as celerys:
        celerys["clock"] = 3
    made = next(one for one in Path(path).parent.iterdir())

    with pytest.raises(ConfigurationError, match="Celery's state files cannot be read"):
        StateFile(str(made))


def test_a_text_file_is_refused(path: str) -> None:
    with dbm.dumb.open(path, "c") as celerys:
        celerys["clock"] = b"3" * 2000
    before = Path(f"{path}.dat").read_bytes()

    with pytest.raises(ConfigurationError, match="is not a SQLite file; name another file, or move it away"):
        StateFile(f"{path}.dat")

    assert before == Path(f"{path}.dat").read_bytes()


def test_a_database_of_something_else_is_left_as_it_is(path: str) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE orders (id)")
    db.commit()
    db.close()
    before = Path(path).read_bytes()

    with pytest.raises(ConfigurationError, match="is a database of something else"):
        StateFile(path)

    assert before == Path(path).read_bytes()


def test_a_file_of_a_newer_release_is_refused(path: str) -> None:
    StateFile(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 2")
    db.close()

    with pytest.raises(ConfigurationError, match="is of a newer KernelQ"):
        StateFile(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="worker_state_db: .*nowhere"):
        StateFile(str(tmp_path / "nowhere" / "w1.state"))


def test_a_full_disk_refuses_no_revoke_and_all_is_made_good_later(
    open_file: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file = open_file()
    file.write({"a": 1.0})
    pages = file._db.execute("PRAGMA page_count").fetchone()[0]
    file._db.execute(f"PRAGMA max_page_count = {pages}")
    many = {f"{number:01000}": float(number) for number in range(2, 100)}

    file.write(many, ["a"])
    file.write({"b": 200.0})
    assert 1 == caplog.text.count("are not kept over a restart for now")
    assert {"a": 1.0} == file.revoked()

    file._db.execute("PRAGMA max_page_count = 10000")
    file.write({"c": 300.0})

    assert {**many, "b": 200.0, "c": 300.0} == file.revoked()
    assert "nothing is missing" in caplog.text


def test_the_file_does_not_grow_with_what_was_forgotten(open_file: Any, path: str) -> None:
    """A thousand ids at a time, fifty thousand in all."""
    file = open_file()
    sizes = []
    for turn in range(50):
        fresh = {f"{turn}-{number}": float(turn) for number in range(1000)}
        file.write(fresh, [f"{turn - 1}-{number}" for number in range(1000)])
        sizes.append(sum(os.path.getsize(one) for one in (path, f"{path}-wal")))

    assert 1000 == len(file.revoked())
    assert max(sizes) < 8_000_000
