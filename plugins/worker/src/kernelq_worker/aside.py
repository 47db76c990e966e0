"""Work that is done in a child process, so that what it takes does not stay in the worker."""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a child is waited for."""


def aside(work: Callable[[], T]) -> T:
    """Return what `work` returns in a forked child; where that cannot be, do it here, and raise what it raises.

    It cannot be where other threads run, whose locks a child would hold for ever, where there is no fork, and where the
    answer cannot be pickled, or the child fails or dies.
    """
    if threading.active_count() == 1 and hasattr(os, "fork"):
        answer = _in_child(work)
        if answer is not None:
            return pickle.loads(answer)  # type: ignore[no-any-return]  # noqa: S301  # our own child's
    return work()


def _in_child(work: Callable[[], object]) -> bytes | None:
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:  # no room for another process
        os.close(writing)
        os.close(reading)
        return None
    if pid == 0:
        _answer(work, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        if not select.select([pipe], [], [], PATIENCE)[0]:
            os.kill(pid, signal.SIGKILL)
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    return answer if status == 0 else None


def _answer(work: Callable[[], object], writing: int) -> NoReturn:
    code = 1
    gc.disable()  # it ends before that would pay
    try:
        answer = pickle.dumps(work())
        with open(writing, "wb") as pipe:
            pipe.write(answer)
        code = 0
    finally:  # nothing of the parent's is closed, flushed or raised in a child
        os._exit(code)
