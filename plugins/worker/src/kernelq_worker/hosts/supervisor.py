"""The host supervisor: starts, feeds, watches, limits and replaces the processes that run tasks."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.job import Job
from kernelq.kernel.contracts.pool import Layout, Pool, PoolCapability
from kernelq.kernel.errors import KernelQError
from kernelq_worker.hosts.backlog import Backlog
from kernelq_worker.hosts.capacity import Capacity
from kernelq_worker.hosts.desk import Desk, Ledger
from kernelq_worker.hosts.ends import Ends
from kernelq_worker.hosts.fleet import Fleet
from kernelq_worker.hosts.limits import Limits
from kernelq_worker.hosts.loss import Loss, LossKind
from kernelq_worker.hosts.pace import Pace
from kernelq_worker.hosts.policy import HostPolicy
from kernelq_worker.hosts.reports import Reports
from kernelq_worker.hosts.terminations import Terminations
from kernelq_worker.hosts.watch import Watch
from kernelq_worker.hosts.wear import Wear

if TYPE_CHECKING:
    from kernelq_worker.hosts.spawn import Spawner
    from kernelq_worker.loop import WorkerLoop

IDLE_GRACE = 1.0
"""Seconds that a host without jobs is given to end by itself."""
STOPPED = Loss(LossKind.STOPPED, "it still ran when the worker had to end", started=True, signum=signal.SIGKILL)


class HostStartError(KernelQError):
    """A host could not start; the message holds what it said."""


class HostSupervisor:
    """The `PoolHandle` of every pool whose hosts are processes.

    Everything is called in the loop's thread, and nothing but `start` and `stop` waits. Jobs go from the backlog to
    the hosts of the fleet, as many as the capacity has room for; reports and ends come back from them, and what they
    say of jobs goes over the desk to the ledger. The limits watch the jobs, wear and watch the hosts.
    """

    def __init__(
        self, pool: Pool, layout: Layout, loop: WorkerLoop, ledger: Ledger, spawn: Spawner, policy: HostPolicy
    ) -> None:
        self._pool = pool
        self._policy = policy
        self._loop = loop
        self._desk = desk = Desk(loop, ledger, self._share)
        self._backlog = backlog = Backlog(desk)
        self._fleet = fleet = Fleet(loop, spawn, layout)
        self._pace = pace = Pace(policy.depth)
        isolated = PoolCapability.ISOLATION in pool.capabilities
        self._capacity = Capacity(fleet, backlog, pace, isolated=isolated, max_tasks=policy.max_tasks)
        self._limits = Limits(loop, fleet, pace)
        self._wear = Wear(loop, fleet, policy)
        self._watch = Watch(loop, fleet, policy.stall_limit)
        self._ends = Ends(loop, fleet, desk, backlog, Reports(fleet, desk, backlog, pace, self._wear))
        self._terminations = Terminations(loop, fleet, backlog, desk)
        self.concurrency = self._capacity.concurrency

    def start(self) -> None:
        """Start the hosts and wait until all are ready. Raises `HostStartError`."""
        gc.freeze()  # hosts share these pages; a collection in either process would copy them
        fleet = self._fleet
        fleet.open(self._ends.on_bytes, self._ends.on_end)
        for done in (lambda: fleet.prepared, lambda: fleet.failures > 0 or fleet.ready):
            self._wait(done, time.monotonic() + fleet.patience + 1)
        if not fleet.ready:
            self.stop(time.monotonic())
            raise HostStartError(
                f"the hosts of the pool {self._pool.name} did not start: "
                f"{fleet.last_error or f'not ready after {fleet.patience:g} s'}"
            )
        self._watch.start(self._ends.on_end)

    # -- jobs

    @property
    def free(self) -> int:
        """How many jobs can be submitted now without waiting in the supervisor."""
        return self._capacity.free

    @property
    def wedged(self) -> bool:
        """Whether no host shows a sign of life."""
        return self._watch.wedged

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs over to hosts, or keep them until there is room. Best called with many at once."""
        self._backlog.add(jobs)
        self._share()

    def _share(self) -> None:
        if len(self._backlog) and not self._backlog.closed:
            try:
                self._backlog.share(self._fleet.hosts, self._capacity.room, self._capacity.budget())
            finally:  # the broker may be lost when some are given out
                self._wear.given()
                self._limits.watch()
        self._fleet.shelter(self._backlog.lonely)

    def recall(self) -> Sequence[Job]:
        """Start no further job; return those that wait here. What hosts give back is reported as returned."""
        self._fleet.close()
        for host in self._fleet.hosts:
            host.recall()
        return self._backlog.close()

    def withdraw(self, job_ids: Iterable[int]) -> None:
        """Do not begin these jobs. Those that wait here, and those that hosts give back, are reported as returned."""
        ids = frozenset(job_ids)
        self._desk.give_back(self._backlog.withdraw(ids))
        for host in self._fleet.hosts:
            host.withdraw(ids)

    def terminate(self, job_id: int, signal: int) -> bool:  # the contract's names
        """End a job by `signal`; return whether it was there."""
        return self._terminations.end(job_id, signal)

    def set_limits(self, job_id: int, soft: float | None, hard: float | None) -> bool:
        """Change the limits, in seconds from its start, of a job."""
        job = self._backlog.find(job_id)
        if job is not None:
            job.soft, job.hard = soft, hard
            return True
        host = self._fleet.host_of(job_id)
        if host is None:
            return False
        host.work[job_id].limit(soft, hard)
        self._limits.watch()
        return True

    # -- hosts

    def restart(self) -> None:
        """Replace every host by a new one, which is ready before the old one goes; running jobs finish first."""
        self._fleet.renew()

    def grow(self, n: int = 1) -> int:
        """Add `n` slots: hosts, or where a host has many, slots. Hosts that have too few are replaced."""
        return self._resize(self.concurrency + n)

    def shrink(self, n: int = 1) -> int:
        """Take away `n` slots as they become free. Hosts with many slots stay and are given fewer jobs."""
        return self._resize(self.concurrency - n)

    def _resize(self, concurrency: int) -> int:
        self.concurrency = self._capacity.resize(concurrency)
        self._share()
        return self.concurrency

    # -- the end

    def stop(self, deadline: float) -> None:
        """Let running jobs end until `deadline` (monotonic seconds), then end the hosts. May be called twice."""
        self._desk.give_back(self.recall())
        hosts = self._fleet.hosts
        for host in hosts:
            host.retire()
        try:
            self._wait(lambda: not any(host.work for host in hosts), deadline)
            self._wait(lambda: all(host.work for host in hosts), time.monotonic() + IDLE_GRACE)
        finally:
            self._limits.stop()
            self._watch.stop()
            self._wear.stop()
            self._ends.kill_all(STOPPED)
            self._desk.deliver()
            gc.unfreeze()

    def _wait(self, until: Callable[[], bool], deadline: float) -> None:
        timer = self._loop.call_later(max(deadline - time.monotonic(), 0.0), lambda: None)
        while not until() and time.monotonic() < deadline:
            self._loop.run(until=lambda: until() or time.monotonic() >= deadline)
        timer.cancel()

    def info(self) -> dict[str, Any]:
        """Return a JSON-able dict for `inspect stats`, with Celery's keys."""
        mean, hosts = self._pace.mean, self._fleet.hosts
        return {
            "implementation": self._pool.name,
            "max-concurrency": self.concurrency,
            "processes": [host.pid for host in hosts if not host.retiring],
            "max-tasks-per-child": self._policy.max_tasks or "N/A",
            "max-memory-per-child": self._policy.max_memory or "N/A",
            "put-guarded-by-semaphore": True,
            "hosts": [host.info() for host in hosts],
            "free": self.free,
            "waiting": len(self._backlog),
            "replaced": self._fleet.replaced,
            "mean-runtime-ms": None if mean is None else round(mean * 1000, 3),
            "supervisor": os.getpid(),
            **self._desk.count,
        }
