"""The desk: gathers what becomes of jobs, and hands it to the ledger once per turn of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_worker.hosts.loss import Loss

if TYPE_CHECKING:
    from kernelq.handles import Loop


class Ledger(Protocol):
    """Who is told. Called in the loop's thread, in batches, in this order within a turn."""

    def beginning(self, job_id: int) -> bool:
        """Take the id of a redelivered job that is to run next; at once, not in a batch.

        Return whether it may: False while there is no broker to note it. Then, and where this raises `BrokerLost`, the
        job waits, and the pool is given jobs, none perhaps, when there is one.
        """

    def started(self, batch: Sequence[tuple[int, int]]) -> None:
        """Take the ids of jobs that run now, with the process id of their host."""

    def finished(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        """Take the ids of jobs that have ended, with their outcomes."""

    def lost(self, batch: Sequence[tuple[int, Loss]]) -> None:
        """Take the ids of jobs that were in a host and will have no outcome. They are never run again from here."""

    def returned(self, jobs: Sequence[Job]) -> None:
        """Take jobs that never began, because the pool stops or they were withdrawn."""


class Desk:
    """Four lists; the first entry of a turn has them delivered behind the descriptors' callbacks, in the same turn."""

    def __init__(self, loop: Loop, ledger: Ledger, then: Callable[[], None]) -> None:
        self._loop = loop
        self._ledger = ledger
        self._then = then
        self._called = False
        self.started: list[tuple[int, int]] = []
        self.finished: list[tuple[int, Outcome]] = []
        self.count = {"finished": 0, "lost": 0}
        """Jobs that have ended in either way."""
        self._lost: list[tuple[int, Loss]] = []
        self._returned: list[Job] = []

    def begin(self, job: Job) -> bool:
        """Tell at once that a redelivered job is to run next; return whether it may. Raises `BrokerLost`."""
        return self._ledger.beginning(job.id)

    def lose(self, job_id: int, loss: Loss) -> None:
        """Tell that a job will have no outcome."""
        self._lost.append((job_id, loss))
        self.call()

    def give_back(self, jobs: Iterable[Job]) -> None:
        """Tell that jobs will not be begun."""
        self._returned.extend(jobs)
        self.call()

    def call(self) -> None:
        """Have what is there delivered in this turn, or the next."""
        if not self._called:
            self._called = True
            self._loop.call_soon(self.deliver)

    def deliver(self) -> None:
        """Deliver now. Where the ledger raises, what it was not told stays for the next turn."""
        self._called = False
        try:
            if self.started:
                started, self.started = self.started, []
                self._ledger.started(started)
            if self.finished:
                finished, self.finished = self.finished, []
                self.count["finished"] += len(finished)
                self._ledger.finished(finished)
            if self._lost:
                lost, self._lost = self._lost, []
                self.count["lost"] += len(lost)
                self._ledger.lost(lost)
            if self._returned:
                returned, self._returned = self._returned, []
                self._ledger.returned(sorted(returned, key=lambda job: job.id))  # several hosts' oldest first
        finally:
            if self.started or self.finished or self._lost or self._returned:
                self.call()
        self._then()
