"""The capacity: how many jobs may be with the hosts at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelq_worker.hosts.backlog import Backlog
    from kernelq_worker.hosts.fleet import Fleet
    from kernelq_worker.hosts.host import Host
    from kernelq_worker.hosts.pace import Pace


class Capacity:
    """What each host, and all together, may be given now."""

    def __init__(
        self, fleet: Fleet, backlog: Backlog, pace: Pace, *, isolated: bool, max_tasks: int | None = None
    ) -> None:
        self.concurrency = fleet.target * fleet.slots
        """How many jobs may run at a time."""
        self._fleet = fleet
        self._backlog = backlog
        self._pace = pace
        self._hosts = 0 if isolated else fleet.target
        self._max_tasks = max_tasks

    @property
    def free(self) -> int:
        """How many jobs can be submitted now without waiting in the supervisor."""
        if self._backlog.closed:
            return 0
        room = sum(map(self.room, self._fleet.hosts))
        return max(min(room, self.budget()) - len(self._backlog), 0)

    def room(self, host: Host) -> int:
        """Return how many more jobs `host` may be given."""
        closed = not host.ready or host.retiring or host.recalling
        if closed or host.alone or host.cell or self._backlog.kept(host):
            return 0
        slots = self._fleet.slots
        # A host of more slots than are wanted would run at once whatever it is sent ahead.
        room = (slots if slots < host.slots else self._pace.room(host.slots)) - len(host.work)
        if self._max_tasks is not None:
            room = min(room, self._max_tasks - host.taken)
        return room

    def budget(self) -> int:
        """Return how many jobs may be given out so that no more than `concurrency` run in all."""
        fleet, hosts = self._fleet, self._fleet.hosts
        exact = fleet.target * fleet.slots == self.concurrency
        if exact and self._pace.depth > 1 and not any(host.retiring for host in hosts):
            return fleet.target * self._pace.room(fleet.slots)
        return self.concurrency - sum(
            min(len(host.work), host.slots) if host.retiring else len(host.work) for host in hosts
        )

    def resize(self, concurrency: int) -> int:
        """Run so many jobs at a time from now on: in other hosts where each runs one, else in more slots of each."""
        self.concurrency = concurrency = max(concurrency, 1)
        hosts = min(self._hosts or concurrency, concurrency)
        self._fleet.want(hosts, -(-concurrency // hosts))
        return concurrency
