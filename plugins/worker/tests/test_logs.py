"""The log of a worker."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_worker.logs import NodeFile, host_index, level_of

FORKS = """
import logging, os, sys
from kernelq_worker.logs import NodeFile
from kernelq_worker.titles import entitle
handler = NodeFile(sys.argv[1], "one@here")
log = logging.getLogger("x")
log.addHandler(handler)
log.warning("main")
for name in ("prefork-1", "prefork-2"):
    if os.fork() == 0:
        entitle("one@here", name)
        log.warning(name)
        os._exit(0)
    os.wait()
log.warning("main again")
"""


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger that nobody else has."""
    made = logging.Logger("alone")
    yield made
    for handler in list(made.handlers):
        handler.close()


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("%n%I.log", {"one.log": 2, "one-1.log": 1, "one-2.log": 1}),
        ("%n.%i.log", {"one.0.log": 2, "one.1.log": 1, "one.2.log": 1}),
        ("%h.log", {"here.log": 4}),
    ],
)
def test_hosts_have_files_of_their_own_where_the_name_says_so(
    tmp_path: Path, pattern: str, files: dict[str, int]
) -> None:
    subprocess.run([sys.executable, "-c", FORKS, str(tmp_path / pattern)], check=True)

    assert files == {path.name: path.read_text().count("\n") for path in tmp_path.iterdir()}


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path, log: logging.Logger) -> None:
    log.addHandler(NodeFile(str(tmp_path / "%n.log"), "one@here"))
    log.warning("before")
    os.rename(tmp_path / "one.log", tmp_path / "one.log.1")
    log.warning("after")

    assert ("before\n", "after\n") == ((tmp_path / "one.log.1").read_text(), (tmp_path / "one.log").read_text())


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one.log cannot be written: No such file"):
        NodeFile(str(tmp_path / "nowhere" / "%n.log"), "one@here")


@pytest.mark.parametrize(("name", "index"), [("MainProcess", 0), ("prefork-12", 12), ("my-pool-3", 3), ("a-b", 0)])
def test_the_number_of_a_host_is_in_its_name(monkeypatch: pytest.MonkeyPatch, name: str, index: int) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "name", name)

    assert index == host_index()


def test_levels_have_names_in_any_case() -> None:
    assert (10, 50, 7) == (level_of("debug"), level_of("FATAL"), level_of(7))
    with pytest.raises(ConfigurationError, match="'LOUD' is no log level"):
        level_of("LOUD")
