"""The backlog: jobs that wait in the supervisor, and which host gets which."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from kernelq.job import Job
from kernelq_worker.hosts import wire
from kernelq_worker.hosts.desk import Desk
from kernelq_worker.hosts.host import Host
from kernelq_worker.hosts.loss import Loss, LossKind


class Backlog:
    """Gives waiting jobs to hosts that have room.

    A redelivered job (`Job.alone`) gets a host of one slot that is empty, and nothing joins it there. Where hosts have
    many slots, the fleet starts such cells for them, so that the others go on. Where they have one, and none is empty,
    one is kept free of new jobs until it is. Redelivered and other jobs take turns, so neither waits for ever where
    there is one host. No redelivered job begins before the broker knows of it; until then the others have the hosts.
    """

    def __init__(self, desk: Desk) -> None:
        self._jobs: deque[Job] = deque()
        self._lonely: deque[Job] = deque()
        self._kept: Host | None = None
        self._others_first = False
        self._desk = desk
        self.closed = False
        """Whether no further job is to begin: what comes is given back."""

    def __len__(self) -> int:
        return len(self._jobs) + len(self._lonely)

    @property
    def lonely(self) -> int:
        """How many jobs wait that are to run alone."""
        return len(self._lonely)

    def add(self, jobs: Iterable[Job]) -> None:
        """Take jobs, behind what waits."""
        if self.closed:
            self._desk.give_back(jobs)
            return
        for job in jobs:
            (self._lonely if job.alone else self._jobs).append(job)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Take jobs that a host gave back, before what waits."""
        if self.closed:
            self._desk.give_back(jobs)
            return
        for job in reversed(jobs):
            (self._lonely if job.alone else self._jobs).appendleft(job)

    def close(self) -> list[Job]:
        """Begin no further job; return every one that waits, oldest first, and forget it."""
        self.closed = True
        jobs = sorted([*self._jobs, *self._lonely], key=lambda job: job.id)
        self._jobs.clear()
        self._lonely.clear()
        self._kept = None
        return jobs

    def withdraw(self, ids: frozenset[int]) -> list[Job]:
        """Return those jobs of these ids that wait, and forget them."""
        found = []
        for queue in (self._jobs, self._lonely):
            found += [job for job in queue if job.id in ids]
            kept = [job for job in queue if job.id not in ids]
            queue.clear()
            queue.extend(kept)
        return found

    def remove(self, job_id: int) -> bool:
        """Forget one job; return whether it waited here."""
        for queue in (self._jobs, self._lonely):
            for job in queue:
                if job.id == job_id:
                    queue.remove(job)
                    return True
        return False

    def find(self, job_id: int) -> Job | None:
        """Return a job that waits here."""
        return next((job for job in [*self._jobs, *self._lonely] if job.id == job_id), None)

    def kept(self, host: Host) -> bool:
        """Whether `host` is kept free of new jobs."""
        return host is self._kept and bool(self._lonely)

    def alone_ended(self, host: Host) -> None:
        """Note that the redelivered job of `host` has ended."""
        host.alone = False
        self._others_first = True

    def forget(self, host: Host) -> None:
        """Note that `host` is gone."""
        if self._kept is host:
            self._kept = None

    def share(self, hosts: Sequence[Host], room: Callable[[Host], int], budget: int) -> None:
        """Give jobs to hosts: to each at most its `room`, to all at most `budget`."""
        if self.closed:
            return
        if self._lonely and not (self._others_first and self._jobs):
            budget -= self._share_alone(hosts, budget)
        if self._jobs and budget > 0:
            self._others_first = False
            self._share_rest(hosts, room, budget)

    def _share_rest(self, hosts: Sequence[Host], room: Callable[[Host], int], budget: int) -> None:
        open_hosts = sorted(
            ((len(host.work), at, space, host) for at, host in enumerate(hosts) if (space := room(host)) > 0)
        )
        jobs, left, now = self._jobs, len(open_hosts), monotonic()
        for _, _, space, host in open_hosts:
            n = min(space, -(-len(jobs) // left), budget)
            left -= 1
            if n <= 0:
                continue
            budget -= n
            self._give(host, [jobs.popleft() for _ in range(n)], now)

    def _share_alone(self, hosts: Sequence[Host], budget: int) -> int:
        usable = [h for h in hosts if h.ready and h.slots == 1 and not (h.retiring or h.alone or h.recalling)]
        given = 0
        for host in usable:
            if self._lonely and not host.work and given < budget:
                if host is self._kept:
                    self._kept = None
                if not self._desk.begin(self._lonely[0]):
                    return given
                host.alone = True
                self._give(host, [self._lonely.popleft()], monotonic())
                given += 1
        if self._kept is not None and self._kept.retiring:
            self._kept = None
        if self._lonely and self._kept is None:
            kept = [h for h in usable if not h.alone]
            if kept:
                self._kept = host = min(kept, key=lambda h: len(h.work))
                if len(host.work) > host.slots:
                    host.recall()
        return given

    def _give(self, host: Host, jobs: Sequence[Job], now: float) -> None:
        try:
            host.give(jobs, now)
        except wire.Unsendable as error:
            if len(jobs) > 1:
                for job in jobs:
                    self._give(host, [job], now)
                return
            host.alone = False
            self._desk.lose(jobs[0].id, Loss(LossKind.UNSENDABLE, f"it cannot be sent to a host: {error}"))
