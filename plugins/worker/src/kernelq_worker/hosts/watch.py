"""The watch: notices hosts that do not start, do not answer, or have ended unseen."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

import attrs

from kernelq_worker.hosts import vitals
from kernelq_worker.hosts.host import Host
from kernelq_worker.hosts.loss import Loss, LossKind
from kernelq_worker.hosts.wire import Order

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer
    from kernelq_worker.hosts.fleet import Fleet, OnHost

logger = logging.getLogger(__name__)

LONGEST_PERIOD = 2.5
"""Seconds between looks at most; the looks cost the same however many tasks run."""
LOOKS = 8
"""Looks within the limit."""
ANSWER = 1.0
"""Seconds that an answer may take before a host counts as mute."""
MISSED = 4
"""Looks that the supervisor itself may miss before it says nothing of others: half the limit, when they are asked."""


@attrs.define
class Silence:
    """A host that was asked for a sign of life and has given none yet."""

    alive_at: float
    """When it last reported, or was seen at work (monotonic seconds)."""
    cpu: float | None
    """Seconds of processor time that it had used; None while it is stopped."""
    asked_at: float
    """When it was last asked, or seen at work."""


class Watch:
    """Replaces hosts that have not been ready in time, and those that give no sign of life for `limit` seconds.

    A host that has reported nothing for half of that is asked. One that does not answer may hold the interpreter's
    lock in C code: as long as it uses the processor it lives on, since ending it is what hard limits are for; where it
    has other slots, these are of no use, so another host takes over. One that does neither is stopped, or waits for
    ever with the lock held, and nothing in it can run.
    """

    def __init__(self, loop: Loop, fleet: Fleet, limit: float | None) -> None:
        self._loop = loop
        self._fleet = fleet
        self._limit = limit
        self._period = min(LONGEST_PERIOD, (limit or fleet.patience) / LOOKS)
        self._looked_at = 0.0
        self._silent: dict[Host, Silence] = {}
        self._timer: Timer | None = None
        self._on_end: OnHost | None = None

    def start(self, on_end: OnHost) -> None:
        """Begin to look; `on_end` is told of hosts that may have ended."""
        self._on_end = on_end
        self._looked_at = time.monotonic()
        self._timer = self._loop.call_repeatedly(self._period, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def wedged(self) -> bool:
        """Whether no host shows a sign of life: each was asked, had time to answer, and has not used the processor."""
        now, hosts = time.monotonic(), [host for host in self._fleet.hosts if host.ready]
        return bool(hosts) and all(self._mute(host, now) for host in hosts)

    def _mute(self, host: Host, now: float) -> bool:
        silence = self._silent.get(host)
        if silence is None or host.heard_at > silence.asked_at or now - silence.asked_at < ANSWER:
            return False
        return vitals.cpu_seconds(host.pid) in (None, silence.cpu)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at > MISSED * self._period:
            self._silent.clear()  # the supervisor itself was stopped: it has heard nobody, and judges nobody
        self._looked_at = now
        silent: dict[Host, Silence] = {}
        for host in list(self._fleet.hosts):
            if host.pidfd is None and self._on_end is not None:
                self._on_end(host)
            elif not host.ready:
                self._await(host, now)
            elif self._limit is not None and now - host.heard_at >= self._limit / 2:
                silent[host] = self._listen(host, self._silent.get(host), now, self._limit)
        self._silent = silent

    def _await(self, host: Host, now: float) -> None:
        if now - host.born > self._fleet.patience:
            self._fleet.cannot_start(host, f"not ready after {self._fleet.patience:g} s")
            host.kill()

    def _listen(self, host: Host, silence: Silence | None, now: float, limit: float) -> Silence:
        cpu = vitals.cpu_seconds(host.pid)
        if silence is None:
            host.tell(Order.PING)
            return Silence(max(host.heard_at, now - limit / 2), cpu, now)
        if cpu is not None and cpu != silence.cpu:
            if now - host.heard_at >= limit and host.slots > 1 and not host.retiring:
                logger.warning("host %d has not answered for %g s, but is at work; another takes over", host.pid, limit)
                self._fleet.retire(host)
            return Silence(now, cpu, now)
        if now - silence.alive_at >= limit:
            cause = f"its host {host.pid} did not answer for {limit:g} s"
            logger.error("host %d has not answered for %g s and does nothing; it is replaced", host.pid, limit)
            host.doom = Loss(LossKind.CRASH, cause, started=True, signum=signal.SIGKILL)
            host.kill()
            silence.alive_at = now
        return silence
