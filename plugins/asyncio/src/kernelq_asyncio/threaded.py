"""A job whose task is a plain function, in a thread."""

from __future__ import annotations

import ctypes
from threading import Lock, get_ident
from typing import TYPE_CHECKING

from kernelq.outcome import Outcome
from kernelq.states import FAILURE
from kernelq.texts import shown

if TYPE_CHECKING:
    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute


class Threaded:
    """Runs one job in the calling thread. An interrupt hits it, or nothing."""

    __slots__ = ("_call", "_interrupted", "_job", "_lock", "_thread", "outcome")

    def __init__(self, execute: Execute, job: Job) -> None:
        self._call = execute.__call__  # bound, so that no interrupt falls between its return and the assignment
        self._job = job
        self._lock = Lock()
        self._thread: int | None = None
        self._interrupted = False
        self.outcome = Outcome(FAILURE, detail="it has not ended")

    def run(self) -> None:
        """Run the job to its end."""
        try:
            self._thread = get_ident()
            self.outcome = self._call(self._job)
        except BaseException as error:  # noqa: BLE001 - an interrupt before it began, or what came out of a job
            self.outcome = Outcome(FAILURE, detail=shown(error))
        while True:
            try:
                with self._lock:
                    if self._interrupted:  # it may still be on its way, and must not hit the thread's next job
                        _raise_in(self._thread, None)
                    self._thread = None
                    return
            except BaseException:  # noqa: BLE001, S112 - the interrupt came here, after the end
                continue

    def interrupt(self, error: type[BaseException]) -> bool:
        """Raise `error` as soon as the task runs Python; return whether it runs. From any thread."""
        with self._lock:
            if self._thread is None:
                return False
            self._interrupted = True
            return _raise_in(self._thread, error) == 1


def _raise_in(thread: int | None, error: type[BaseException] | None) -> int:
    wanted = None if error is None else ctypes.py_object(error)
    return int(ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread or 0), wanted))
