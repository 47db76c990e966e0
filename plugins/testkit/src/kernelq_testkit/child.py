"""Forked children for fault tests: what they do, how they end."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENOUGH = 60.0
"""Seconds after which a child ends by itself, should its test have forgotten it."""


def run_in_child(function: Callable[[], None]) -> str:
    """Run `function` in a forked child; return the text of its traceback, empty when it ended well."""
    reader, writer = os.pipe()
    pid = fork()
    if pid == 0:
        signal.alarm(int(ENOUGH))
        text = ""
        try:
            function()
        except BaseException:  # noqa: BLE001 - it is reported to the parent
            text = traceback.format_exc()
        os.write(writer, text.encode()[-60000:])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    return text or ("" if status == 0 else f"the child ended with status {status}")


@contextmanager
def child_that_waits(function: Callable[[Callable[[], None]], None]) -> Iterator[int]:
    """Run ``function(ready)`` in a forked child; once it has called `ready`, yield the child's pid.

    The child is killed at the end, at the latest. Raises AssertionError with its traceback if it fails before.
    """
    reader, writer = os.pipe()
    pid = fork()
    if pid == 0:
        signal.alarm(int(ENOUGH))
        try:
            function(lambda: _say(writer, b"ready"))
        except BaseException:  # noqa: BLE001 - it is reported to the parent
            os.write(writer, traceback.format_exc().encode()[-60000:])
        os._exit(1)
    os.close(writer)
    try:
        said = os.read(reader, 65536)
        assert said == b"ready", f"the child failed: {said.decode()}"
        yield pid
    finally:
        os.close(reader)
        kill(pid)


def kill(pid: int) -> None:
    """Kill a child of this process with SIGKILL and wait for its end; one that is gone already is no error."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return


def _say(writer: int, text: bytes) -> None:
    os.write(writer, text)


def fork() -> int:
    """Fork, without Python's warning of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: what is forked here needs none
        return os.fork()
