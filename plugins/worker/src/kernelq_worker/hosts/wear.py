"""The wear of hosts: after so many tasks, or above so much memory, a host is replaced by a new one."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from kernelq_worker.hosts import vitals
from kernelq_worker.hosts.host import Host

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer
    from kernelq_worker.hosts.fleet import Fleet
    from kernelq_worker.hosts.policy import HostPolicy

logger = logging.getLogger(__name__)

WEIGH = 1.0
"""Seconds between looks at the memory of hosts that run tasks."""
PAUSE = 0.05
"""Seconds after a look in which the end of a task brings none, so that streams of short tasks pay little."""


class Wear:
    """Retires worn hosts. What they run ends; what has not begun is run by others."""

    def __init__(self, loop: Loop, fleet: Fleet, policy: HostPolicy) -> None:
        self._loop = loop
        self._fleet = fleet
        self._max_tasks = policy.max_tasks
        self._max_memory = policy.max_memory
        self._weighed: dict[int, float] = {}
        self._timer: Timer | None = None

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def given(self) -> None:
        """Look after jobs were given out: a host that has had its last goes when it has run them all."""
        if self._max_tasks is not None:
            for host in list(self._fleet.hosts):
                if host.taken >= self._max_tasks and not host.retiring:
                    host.finish()
                    self._fleet.left(host)
        if self._max_memory is not None and self._timer is None:
            self._timer = self._loop.call_later(WEIGH, self._weigh_all)

    def returned(self, host: Host) -> None:
        """Look after a host gave jobs back: it may not have had its last, and stays where nothing has its place."""
        if self._max_tasks is not None and host.taken < self._max_tasks and len(host.work) >= host.slots:
            host.stay()

    def ran(self, host: Host) -> None:
        """Look after a host ran jobs."""
        if self._max_memory is not None and time.monotonic() - self._weighed.get(host.pid, 0.0) >= PAUSE:
            self._weigh(host, self._max_memory)

    def _weigh_all(self) -> None:
        self._timer = None
        hosts = self._fleet.hosts
        pids = {host.pid for host in hosts}
        self._weighed = {pid: when for pid, when in self._weighed.items() if pid in pids}
        for host in list(hosts):
            if host.running and self._max_memory is not None:
                self._weigh(host, self._max_memory)
        if any(host.work for host in hosts):
            self._timer = self._loop.call_later(WEIGH, self._weigh_all)

    def _weigh(self, host: Host, most: int) -> None:
        if host.retiring and not host.finishing:
            return
        self._weighed[host.pid] = time.monotonic()
        used = vitals.resident(host.pid)
        if used is not None and used > most:
            logger.warning(
                "host %d uses %d KiB after %d tasks, more than the %d KiB of worker_max_memory_per_child; it is "
                "replaced, and %d running tasks end in it", host.pid, used, host.taken, most, host.running,
            )  # fmt: skip
            self._fleet.retire(host)
