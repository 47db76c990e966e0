"""A host's link without a supervisor: what the pool conformance class drives a host runtime with."""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, ClassVar

from kernelq_testkit import waiting

if TYPE_CHECKING:
    from kernelq.job import Job
    from kernelq.outcome import Outcome

LOOK = 0.001
"""Seconds between two looks. It looks, since a pool may replace what one waits with: locks, events, conditions."""


class FakeLink:
    """A `kernelq.handles.HostLink` whose other end is the test.

    The test gives jobs, interrupts and the end; `reports` is what the runtime reported, in order. As with the real
    link, `receive` stops the native thread it is called in, and `fileno` is readable while there is something to take.
    """

    patience: ClassVar[float] = 30.0
    """Seconds that `wait_for` waits unless it is told otherwise."""

    def __init__(self) -> None:
        self._readable, self._bell = os.pipe()
        self._rung = False
        self._lock = allocate_lock()
        self._jobs: deque[Job] = deque()
        self._ended = False
        self._interrupt: Callable[[int, type[BaseException]], bool] | None = None
        self.reports: list[tuple[str, int]] = []
        self.outcomes: dict[int, Outcome] = {}
        self.unsent = 0
        """Reports that the runtime has not flushed."""
        self.found: list[bool] = []
        """Whether each interrupt met its job."""

    def give(self, *jobs: Job) -> None:
        """Send jobs to the host."""
        with self._lock:
            self._jobs.extend(jobs)
            self._ring()

    def end(self) -> None:
        """Ask the host to end once it has run what it has."""
        with self._lock:
            self._ended = True
            self._ring()

    def interrupt(self, job_id: int, error: type[BaseException]) -> bool:
        """Ask for `error` in a running job, in a thread that is not the runtime's; return whether it was met."""
        found = self._interrupt is not None and self._interrupt(job_id, error)
        self.found.append(found)
        return found

    def wait_for(self, condition: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait until `condition()` holds; return whether it came true. `timeout` is in seconds, `patience` if None.

        It is as much longer as `kernelq_testkit.waiting.patience` says.
        """
        deadline = monotonic() + waiting.patience(self.patience if timeout is None else timeout)
        while not self._holds(condition):
            if monotonic() >= deadline:
                return self._holds(condition)
            sleep(LOOK)
        return True

    def fileno(self) -> int:
        """Return the descriptor that is readable when something has come."""
        return self._readable

    def receive(self, timeout: float | None = None, limit: int | None = None) -> Sequence[Job] | None:
        """Return the jobs that have come, at most `limit`; None at the end. It flushes before it waits."""
        deadline = None if timeout is None else monotonic() + timeout
        if not self._jobs:
            self.flush()
        while True:
            with self._lock:
                if self._jobs:
                    return self._take(limit)
                if self._ended:
                    return None
            if deadline is not None and monotonic() >= deadline:
                return ()
            sleep(LOOK)

    def on_interrupt(self, function: Callable[[int, type[BaseException]], bool]) -> None:
        """Set what raises an exception in a running job."""
        self._interrupt = function

    def started(self, job: Job) -> None:
        """Note that `job` runs."""
        with self._lock:
            self._report("started", job.id)

    def finished(self, job: Job, outcome: Outcome) -> None:
        """Note how `job` ended."""
        with self._lock:
            self.outcomes[job.id] = outcome
            self._report("finished", job.id)

    def flush(self) -> None:
        """Note that what was reported is sent."""
        with self._lock:
            self.unsent = 0

    @property
    def waiting(self) -> int:
        """How many jobs nobody has taken."""
        return len(self._jobs)

    def close(self) -> None:
        """Free the descriptors. May be called twice."""
        for fd in (self._readable, self._bell):
            with suppress(OSError):
                os.close(fd)
        self._readable = self._bell = -1

    def _holds(self, condition: Callable[[], object]) -> bool:
        with self._lock:
            return bool(condition())

    def _take(self, limit: int | None) -> list[Job]:
        most = len(self._jobs) if limit is None else min(limit, len(self._jobs))
        jobs = [self._jobs.popleft() for _ in range(most)]
        self._ring()
        return jobs

    def _report(self, what: str, job_id: int) -> None:
        self.reports.append((what, job_id))
        self.unsent += 1

    def _ring(self) -> None:
        wanted = bool(self._jobs) or self._ended
        if wanted and not self._rung:
            os.write(self._bell, b"\0")
        elif self._rung and not wanted:
            os.read(self._readable, 1)
        self._rung = wanted
