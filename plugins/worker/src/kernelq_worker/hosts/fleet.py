"""The fleet: the hosts that there are, and as many new ones as are wanted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelq.kernel.contracts.pool import Layout
from kernelq_worker.hosts.host import Host, death
from kernelq_worker.hosts.spawn import NotReady

if TYPE_CHECKING:
    from kernelq.handles import Timer
    from kernelq_worker.hosts.spawn import Spawner
    from kernelq_worker.loop import WorkerLoop

logger = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.1, 30.0
"""Seconds before a host is started again where the last ones ended at their start; doubled each time."""
STEADY = 1.0
"""Seconds after which a host that ends has not ended at its start, though it had no job."""

CELLS = 4
"""Redelivered jobs that run alone at a time, beside hosts of many slots."""

OnHost = Callable[[Host], None]


class Fleet:
    """Keeps `target` hosts of `slots` slots at work.

    One that retires is replaced at once; one that is merely old, or too small, works until its successor is ready.
    """

    def __init__(self, loop: WorkerLoop, spawn: Spawner, layout: Layout) -> None:
        self.hosts: list[Host] = []
        """Every host that has not been reaped, retiring ones too. The list stays the same object."""
        self.target = layout.hosts
        self.slots = layout.slots
        """Jobs at a time that each host is wanted to run; it may have been started for more."""
        self.failures = 0
        """Hosts that ended at their start, or could not be started, in a row."""
        self.replaced = 0
        """Hosts that ended and were not to."""
        self.last_error = ""
        """Why the last host that could not start could not."""
        self._cells = 0
        self._size = layout.slots
        self._failed_at = 0.0
        self._loop = loop
        self._spawn = spawn
        self._callbacks: tuple[OnHost, OnHost] | None = None
        self._respawn: Timer | None = None
        self._closed = False

    @property
    def patience(self) -> float:
        """Seconds that a host may take until it is ready."""
        return self._spawn.patience

    @property
    def prepared(self) -> bool:
        """Whether hosts can be started now."""
        return self._spawn.ready

    @property
    def ready(self) -> bool:
        """Whether all hosts are there and ready."""
        return len(self.hosts) == self.target and all(host.ready for host in self.hosts)

    def open(self, on_bytes: OnHost, on_end: OnHost) -> None:
        """Start the hosts; call back when one has reported, and when one has ended."""
        self._callbacks = on_bytes, on_end
        self._spawn.open(self._loop, self.fill)
        self.fill()

    def close(self) -> None:
        """Start no host any more."""
        self._closed = True
        self._spawn.close()
        if self._respawn is not None:
            self._respawn.cancel()
            self._respawn = None

    def host_of(self, job_id: int) -> Host | None:
        """Return the host that has a job."""
        return next((host for host in self.hosts if job_id in host.work), None)

    # -- as many as are wanted

    def fill(self) -> None:
        """Start hosts until there are as many as wanted; where the last ones failed, after a delay."""
        if self._closed or self._respawn is not None or not (self._missing() or self._missing_cells()):
            return
        if self.failures:
            delay = min(FIRST_DELAY * 2.0 ** min(self.failures - 1, 20), LONGEST_DELAY)
            logger.warning("the next host is started in %.1f s (%s)", delay, self.last_error or "the last one ended")
            self._respawn = self._loop.call_later(delay, self._start_again)
        else:
            self._start_missing()

    def _start_again(self) -> None:
        self._respawn = None
        if not self._closed:
            self._start_missing()

    def _start_missing(self) -> None:
        if not self._spawn.ready:
            return  # it calls `fill` when it is
        try:
            for _ in range(self._missing()):
                self._start(self._size)
            for _ in range(self._missing_cells()):
                self._start(1).cell = True
        except NotReady:
            logger.debug("the next host is started when what hosts are forked from is there again")
        except OSError as error:  # no process, descriptor or memory is left
            logger.error("a host cannot be started: %s", error)
            self._failed(str(error))
            self.fill()

    def _start(self, slots: int) -> Host:
        host = Host(self._loop, self._spawn, slots, self._close_after_fork)
        self.hosts.append(host)
        if self._callbacks is not None:
            host.watch(*self._callbacks)
        return host

    def _missing(self) -> int:
        return max(self.target - sum(map(_counts, self.hosts)), 0)

    def _missing_cells(self) -> int:
        return max(self._cells - sum(host.cell and not host.retiring for host in self.hosts), 0)

    def _close_after_fork(self) -> None:
        for host in self.hosts:
            host.close_after_fork()
        self._loop.close_after_fork()

    def want(self, hosts: int, slots: int) -> None:
        """Keep `hosts` hosts of `slots` slots from now on. Hosts that have more slots stay, as there may be a return.

        Where they have too few, new ones get twice as many, so that growing by one again and again replaces few.
        """
        self.target, self.slots = hosts, slots
        if slots > self._size:
            self._size = max(slots, 2 * self._size)
        for host in self.hosts:
            host.outgoing = host.outgoing or (host.slots < slots and not host.cell)
        self.fill()
        self._dismiss()

    def renew(self) -> None:
        """Replace every host. Each that works does so until a new one is ready.

        Where the last ones could not start, no delay is waited for: whoever asks may just have mended that.
        """
        self.failures = 0
        self._spawn.renew()
        if self._respawn is not None:
            self._respawn.cancel()
            self._respawn = None
        for host in self.hosts:
            host.outgoing = True
            if host.cell or not host.ready:
                host.retire()
        self.fill()

    def shelter(self, jobs: int) -> None:
        """Have cells for so many more jobs that are to run alone, where other hosts would run several at a time."""
        if self._size == 1 or not (jobs or self._cells):
            return
        cells = [host for host in self.hosts if host.cell and not host.retiring]
        idle = [host for host in cells if not host.work]
        self._cells = min(len(cells) - len(idle) + jobs, CELLS)
        for host in idle[: max(len(cells) - self._cells, 0)]:
            host.retire()
        self.fill()

    # -- what becomes of each

    def came(self, host: Host) -> None:
        """Note that a host is ready, and let one go whose successor it is."""
        host.ready = True
        logger.debug("host %d is ready after %.0f ms", host.pid, (time.monotonic() - host.born) * 1000)
        self._dismiss()

    def proved(self, host: Host) -> None:
        """Note that a host runs jobs: where it is a new one, starting hosts works again."""
        if host.born > self._failed_at:
            self.failures = 0
            if self._respawn is not None:
                self._respawn.cancel()
                self._start_again()

    def retire(self, host: Host) -> None:
        """Let a host end when what it runs has ended, and replace it at once."""
        host.retire()
        self.fill()

    def left(self, host: Host) -> None:
        """Note that a retiring host has fewer jobs."""
        if host.finishing and not host.work:
            host.retire()
        self.fill()

    def cannot_start(self, host: Host, why: str) -> None:
        """Note what a host said that cannot start; it ends by itself."""
        host.why = self.last_error = why
        logger.error("host %d cannot start: %s", host.pid, why)

    def ended(self, host: Host, code: int) -> None:
        """Take a reaped host out, and tell how it ended where it should not have."""
        self.hosts.remove(host)
        if not host.retiring:
            self.replaced += 1
            if not host.ready or not (host.taken or time.monotonic() - host.born > STEADY):
                self._failed(host.why or f"host {host.pid} ended at its start: {death(code)}")
            logger.warning("host %d ended (%s) with %d jobs; it is replaced", host.pid, death(code), len(host.work))
        elif code:
            logger.warning("host %d, which was to end, died (%s) with %d jobs", host.pid, death(code), len(host.work))
        self.fill()

    def _failed(self, why: str) -> None:
        self.failures += 1
        self.last_error = why
        self._failed_at = time.monotonic()

    def _dismiss(self) -> None:
        """Retire the ready hosts that are too many: the old first, then the idle."""
        active = [host for host in self.hosts if host.ready and not host.retiring and not host.cell]
        active.sort(key=lambda host: (not host.outgoing, len(host.work)))
        for host in active[: max(len(active) - self.target, 0)]:
            host.retire()


def _counts(host: Host) -> bool:
    """Whether a host fills a place: it is to stay, or it runs its last jobs and has no slot free for others."""
    if host.retiring:
        return host.finishing and len(host.work) >= host.slots and not host.cell
    return not host.outgoing and not host.cell
