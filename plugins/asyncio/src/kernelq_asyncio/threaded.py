"""A job whose task is a plain function, in a thread."""

from __future__ import annotations

import ctypes
from threading import Lock, get_ident
from typing import TYPE_CHECKING

from kernelq.outcome import Outcome
from kernelq.states import FAILURE

if TYPE_CHECKING:
    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute


class Threaded:
    """Runs one job in the calling thread. An interrupt hits it, or nothing."""

    __slots__ = ("_execute", "_interrupted", "_job", "_lock", "_thread", "outcome")

    def __init__(self, execute: Execute, job: Job) -> None:
        self._execute = execute
        self._job = job
        self._lock = Lock()
        self._thread: int | None = None
        self._interrupted: type[BaseException] | None = None
        self.outcome = Outcome(FAILURE, detail="it has not ended")

    def run(self) -> None:
        """Run the job to its end. An interrupt may come at any line until `_thread` is None; none may leave this."""
        call = self._execute.__call__  # bound, so that no interrupt falls between its return and the assignment
        outcome: Outcome | None = None
        raised: BaseException | None = None
        begun = False
        while True:
            try:
                if not begun:
                    begun = True
                    self._thread = get_ident()
                    outcome = call(self._job)
                elif outcome is None and raised is not None:
                    outcome = self._execute.interrupted(self._job, raised)
                with self._lock:
                    if self._interrupted is not None:
                        _raise_in(self._thread, None)  # it may still be on its way, and must not hit the next job
                    self._thread = None
                if outcome is not None:
                    self.outcome = outcome
                    return
            except BaseException as error:  # noqa: BLE001 - it came before the task began, or after it ended
                raised = error

    def interrupt(self, error: type[BaseException]) -> bool:
        """Raise `error`, once, as soon as the task runs Python; return whether it will be. From any thread."""
        with self._lock:
            if self._thread is None or self._interrupted is error:
                return False
            self._interrupted = error
            return _raise_in(self._thread, error) == 1


def _raise_in(thread: int | None, error: type[BaseException] | None) -> int:
    wanted = None if error is None else ctypes.py_object(error)
    return int(ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread or 0), wanted))
