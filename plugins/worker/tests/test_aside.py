"""Work that is done in a child process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from kernelq_worker import aside as module
from kernelq_worker.aside import aside


def processes() -> set[str]:
    """The children of this process."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(file.read().split())


@pytest.fixture
def alone(monkeypatch):
    """As in a worker that starts, where no other thread runs; the process of a test may have some."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def test_the_answer_comes_from_a_child_that_is_gone(alone):
    """However long it is."""
    before = processes()

    pid, text = aside(lambda: (os.getpid(), "x" * 1_000_000))

    assert os.getpid() != pid
    assert 1_000_000 == len(text)
    assert before == processes()


def test_other_threads_keep_the_work_here(monkeypatch):
    monkeypatch.setattr(threading, "active_count", lambda: 2)

    assert os.getpid() == aside(os.getpid)


def test_an_answer_that_cannot_be_pickled_is_made_here(alone):
    class Local:
        pass

    assert isinstance(aside(Local), Local)


def test_an_error_is_raised_here(alone):
    with pytest.raises(LookupError, match="never"):
        aside(lambda: {}["never"])


def test_a_child_that_dies_is_no_answer(alone):
    """The work is done again, here."""
    here = os.getpid()

    assert here == aside(lambda: os.getpid() if os.getpid() == here else os.kill(os.getpid(), signal.SIGKILL))


def test_a_child_that_hangs_is_killed(alone, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    here, before = os.getpid(), processes()

    assert here == aside(lambda: os.getpid() if os.getpid() == here else threading.Event().wait())

    assert before == processes()
