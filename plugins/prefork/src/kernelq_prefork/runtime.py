"""What runs inside a host of the prefork pool."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from kernelq import executor, interruptible, keptloop, tracer

if TYPE_CHECKING:
    from types import FrameType

    from kernelq.handles import HostLink
    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute
    from kernelq.outcome import Outcome

SIGNAL = signal.SIGURG
"""What wakes the main thread. Nothing else sends it, and where nobody listens it is ignored."""
SHORTEST, LONGEST = 0.001, 0.064
"""Seconds between two signals for one interrupt, doubled each time."""
PATIENCE = 24
"""Signals, a second and a bit, until an interrupt is raised wherever the job is."""

AROUND = (
    __file__, executor.__file__, tracer.__file__, interruptible.__file__, keptloop.__file__,
    os.path.dirname(asyncio.__file__) + os.sep,
)  # fmt: skip
"""Files whose code an exception from outside would break: it could lose an outcome, or a step of an event loop."""


class PreforkRuntime:
    """Runs jobs in the main thread, one after the other.

    An interrupt is a signal whose handler raises. Other than an exception set from another thread it also ends a system
    call, and the handler sees what it interrupts: it raises while that very job runs the task's code, or code called
    by it, and nowhere else.
    """

    def __init__(self) -> None:
        self._job_id: int | None = None
        self._wanted: dict[int, type[BaseException]] = {}
        """What is to be raised in which job."""
        self._put_off = 0
        self._main = 0

    def serve(self, link: HostLink, execute: Execute) -> None:
        """Run jobs until the link says the end. Only for the main thread: signals come to no other."""
        self._main = threading.get_ident()
        before = signal.signal(SIGNAL, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGNAL})
        link.on_interrupt(self._interrupt)
        receive, started, finished, run = link.receive, link.started, link.finished, self._run
        try:
            # One at a time, though many may have come: what has not been taken can be called back.
            while (jobs := receive(limit=1)) is not None:
                for job in jobs:
                    started(job)
                    finished(job, run(job, execute))
        finally:
            signal.signal(SIGNAL, before if before is not None else signal.SIG_IGN)

    def _run(self, job: Job, execute: Execute) -> Outcome:
        try:
            self._job_id = job.id
            return execute(job)
        except BaseException as error:  # noqa: BLE001 # an interrupt put off too often
            return execute.interrupted(job, error)
        finally:
            self._job_id = None

    def _interrupt(self, job_id: int, error: type[BaseException]) -> bool:
        if self._job_id != job_id:
            return False
        self._put_off = 0
        self._wanted[job_id] = error
        threading.Thread(target=self._insist, args=(job_id,), name="kernelq-interrupt", daemon=True).start()
        return True

    def _insist(self, job_id: int) -> None:
        # One signal is not enough: it may come after the interpreter has looked for signals and before the system call
        # that the task then waits in, or at a moment that is none for an exception.
        pause = SHORTEST
        while self._job_id == job_id and job_id in self._wanted:
            signal.pthread_kill(self._main, SIGNAL)
            time.sleep(pause)
            pause = min(pause * 2, LONGEST)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        job_id = self._job_id
        for other in [one for one in list(self._wanted) if one != job_id]:
            self._wanted.pop(other, None)  # it has ended; a handler may be interrupted by the next signal's
        if job_id is None or job_id not in self._wanted:
            return
        if self._put_off < PATIENCE and _is_bad_moment(frame):
            self._put_off += 1
            return
        self._put_off = 0
        wanted = self._wanted.pop(job_id, None)
        if wanted is not None:
            raise wanted


def _is_bad_moment(frame: FrameType | None) -> bool:
    if frame is not None and frame.f_code.co_filename.startswith(AROUND):
        return True
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True  # what a finaliser raises is printed and forgotten
        frame = frame.f_back
    return False
