"""Detaching: a process goes on without its terminal, and the command that was typed ends when it has started."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

STARTED = b"\0"
"""What the detached process writes when it has started; all before that is what it has to say of its start."""
MARK = "KERNELQ__DETACHED"
"""The environment variable that holds the number of the process that has detached itself, so that it does so once."""


class Detached:
    """A process of its own session, without a terminal, whose parent waits to hear that it has started.

    Until then what it writes to `sys.stderr` is shown by the parent, which ends with its exit code should it end. Its
    descriptors 1 and 2 are on `log` from the beginning, so whatever it starts holds the terminal no longer.
    """

    def __init__(self, log: str) -> None:
        """Detach: only the new process returns. Raises `OSError` where `log` cannot be written."""
        target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        sys.stdout.flush()
        self._reports: io.TextIOWrapper | None = None
        if not is_detached():
            reader, writer = os.pipe()
            if child := os.fork():
                os.close(writer)  # the end of the file is what tells of an end
                _leave_as(child)
            os.setsid()
            if child := os.fork():  # a second time, so that it can never get a terminal again
                os.close(writer)
                _show(reader, child)
            os.close(reader)
            os.environ[MARK] = str(os.getpid())
            self._reports = os.fdopen(writer, "w", buffering=1, errors="backslashreplace")
            sys.stderr = self._reports
            os.register_at_fork(after_in_child=self._forget)
        self._redirect(target)

    def started(self) -> None:
        """Let the parent end: all is well."""
        if self._reports is not None:
            self._reports.flush()
            os.write(self._reports.fileno(), STARTED)
        self._forget()

    @staticmethod
    def _redirect(target: int) -> None:
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(null, 0)
        for number in (1, 2):
            os.dup2(target, number)
        for fd in (null, target):
            os.close(fd)

    def _forget(self) -> None:
        reports, self._reports = self._reports, None
        if reports is not None:
            sys.stderr = sys.__stderr__
            reports.close()


def is_detached() -> bool:
    """Tell whether this process has detached itself, maybe as the program that it was before."""
    return os.environ.get(MARK) == str(os.getpid())


def _leave_as(child: int) -> NoReturn:
    _, status = os.waitpid(child, 0)
    os._exit(_code(status))


def _show(reader: int, child: int) -> NoReturn:
    """Show what `child` says until it has started or ended, and end as it did."""
    said = b""
    while not said.endswith(STARTED):
        os.write(2, said)
        said = os.read(reader, 1 << 16)
        if not said:
            _leave_as(child)
    os.write(2, said.removesuffix(STARTED))
    os._exit(0)


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code  # as a shell tells of a signal
