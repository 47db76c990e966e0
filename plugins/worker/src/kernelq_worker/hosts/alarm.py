"""The alarm: time limits for jobs that run in the supervisor's own main thread."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt

if TYPE_CHECKING:
    from types import FrameType

    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute
    from kernelq.outcome import Outcome


class Alarm:
    """Runs jobs that have limits, and raises in them when a limit is reached, by SIGALRM.

    It reaches what runs Python or waits; C code that does neither is interrupted when it returns. A task that uses
    SIGALRM itself has no limits.
    """

    def __init__(self) -> None:
        self._next: list[tuple[float, type[BaseException]]] = []

    @staticmethod
    def works() -> bool:
        """Whether limits can be held here: only in the main thread."""
        return threading.current_thread() is threading.main_thread()

    def run(self, job: Job, execute: Execute) -> Outcome:
        """Run one job within its limits."""
        limits = [(job.soft, SoftTimeLimitExceeded), (job.hard, TimeLimitInterrupt)]
        self._next = sorted(
            ((seconds, error) for seconds, error in limits if seconds is not None), key=lambda limit: limit[0]
        )
        before = signal.signal(signal.SIGALRM, self._ring)
        try:
            self._arm(0.0)
            return self._watched(job, execute)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _watched(self, job: Job, execute: Execute) -> Outcome:
        try:
            return execute(job)
        except (SoftTimeLimitExceeded, TimeLimitInterrupt) as error:  # before the task began, or after it ended
            return execute.interrupted(job, error)

    def _arm(self, passed: float) -> None:
        if self._next:
            signal.setitimer(signal.ITIMER_REAL, max(self._next[0][0] - passed, 0.001))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if not self._next:
            return
        seconds, error = self._next.pop(0)
        self._arm(seconds)
        if _within(frame, Alarm._watched.__code__):
            raise error


def _within(frame: FrameType | None, code: object) -> bool:
    """Whether `frame` was called, at whatever depth, by a function with this code; not that function itself."""
    while frame is not None:
        frame = frame.f_back
        if frame is not None and frame.f_code is code:
            return True
    return False
