"""Several nodes of one machine, as `kernelq multi` starts and stops them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import processes
import pytest

from kernelq.pidfile import holder
from kernelq_testkit.waiting import patience

Multi = Callable[..., subprocess.CompletedProcess[str]]

FILES = ("--pidfile=%n.pid", "--logfile=%n%I.log")
WORKER = ("-A", "tasks", "-c", "1", "-P", "threads", "-l", "INFO", *FILES)


@pytest.fixture
def multi(project: Any) -> Iterator[Multi]:
    """A function that calls `kernelq multi`; the nodes that are left are ended."""

    def called(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kernelq", "multi", *words]
        return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, timeout=patience(120))

    yield called
    for path in project.folder.glob("*.pid"):
        pid = holder(str(path))
        if pid is not None:
            processes.end([pid, *processes.children(pid)])


def pids(project: Any) -> dict[str, int]:
    """The processes that the pid files name."""
    return {path.stem: int(path.read_text()) for path in sorted(project.folder.glob("*.pid"))}


@pytest.mark.slow
def test_nodes_are_started_restarted_under_load_and_stopped(project: Any, multi: Multi) -> None:
    """Every task that was accepted runs once: those under way are waited for, those taken ahead go back."""
    done = multi("start", "5", *WORKER)
    assert (0, 5) == (done.returncode, done.stderr.count(": OK")), done.stderr
    first = pids(project)
    assert [f"celery{n}" for n in range(1, 6)] == list(first)

    sent: list[Any] = []
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.1):  # more than they can do
            sent.append(project.send("work", f"k{len(sent)}", 0.5))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        project.pid_of("k0")
        done = multi("restart", "5", *WORKER)
    finally:
        over.set()
        sender.join()
    assert (0, 5) == (done.returncode, done.stderr.count(": OK")), done.stderr
    second = pids(project)
    assert list(first) == list(second)
    assert not {*first.values()} & {*second.values()}
    assert not any(map(processes.lives, first.values()))

    assert [f"k{n}" for n in range(len(sent))] == [one.get(timeout=60) for one in sent]
    assert set(project.counts("start").values()) == {1}

    assert 0 == multi("stopwait", "5", *FILES).returncode
    assert {} == pids(project)
    assert not any(map(processes.lives, second.values()))


def test_what_a_killed_node_has_left_is_taken_over(project: Any, multi: Multi) -> None:
    assert 0 == multi("start", "1", *WORKER).returncode
    killed = pids(project)["celery1"]
    os.kill(killed, signal.SIGKILL)

    assert "celery1@" in (down := multi("stop", "1", *FILES).stderr)
    assert "DOWN" in down
    assert 0 == multi("start", "1", *WORKER).returncode
    assert killed != pids(project)["celery1"]

    assert 0 == multi("kill", "1", *FILES).returncode


def test_another_program_whose_number_is_in_the_file_is_not_signalled(project: Any, multi: Multi) -> None:
    """Not by a signal, and not in the way of a start."""
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", "kernelq"], stdin=subprocess.PIPE)
    try:
        (project.folder / "celery1.pid").write_text(f"{other.pid}\n")

        for command in ("stop", "stopwait", "kill"):
            assert "DOWN" in multi(command, "1", *FILES).stderr
        assert 0 == multi("restart", "1", *WORKER).returncode
        assert other.poll() is None
        assert other.pid != pids(project)["celery1"]
    finally:
        other.kill()
        other.communicate()


def test_a_node_that_does_not_start_is_told_with_its_reason(multi: Multi) -> None:
    done = multi("start", "1", *WORKER, "-P:1", "nope")

    assert (1, True, True) == (done.returncode, "FAILED" in done.stderr, "asks for 'nope'" in done.stderr), done.stderr


def test_a_node_that_runs_is_not_started_twice(project: Any, multi: Multi) -> None:
    assert 0 == multi("start", "1", *WORKER).returncode
    before = pids(project)

    done = multi("start", "1", *WORKER)

    assert (1, True) == (done.returncode, "runs already" in done.stderr), done.stderr
    assert before == pids(project)
