"""What running jobs may take: soft and hard time limits, and waiting behind a long one."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

from kernelq_worker.hosts import vitals
from kernelq_worker.hosts.host import Host, Work
from kernelq_worker.hosts.loss import Loss, LossKind
from kernelq_worker.hosts.wire import Order

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer
    from kernelq_worker.hosts.fleet import Fleet
    from kernelq_worker.hosts.pace import Pace

logger = logging.getLogger(__name__)

SWEEP = 0.05
"""Seconds between looks at the jobs in hand; one timer serves them all, and none runs while nothing needs it."""
QUIET = 0.05
"""Seconds without a word from a host after which what was sent ahead to it is called back."""
UNBEGUN = 0.25
"""Seconds after which a host that has not begun its redelivered job is ended if it is stopped; nothing is lost."""
RETIRE, KILL = 1.0, 4.0
"""Seconds after a job was told of its hard limit until its host gets no more jobs, and until it is killed."""


class Limits:
    """Interrupts jobs beyond their soft limit, ends those beyond the hard one, and calls back what waits too long.

    A host of one slot is killed at the hard limit. In a host of more slots the job itself is interrupted, which harms
    nobody else; a job that goes on nevertheless has the host replaced, then killed.
    """

    def __init__(self, loop: Loop, fleet: Fleet, pace: Pace) -> None:
        self._loop = loop
        self._fleet = fleet
        self._pace = pace
        self._timer: Timer | None = None

    def watch(self) -> None:
        """Look after the jobs that were given out, until they have ended."""
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP, self._sweep)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        self._timer = None
        again, now = False, time.monotonic()
        for host in list(self._fleet.hosts):
            limited = [work for work in host.work.values() if work.soft is not None or work.hard is not None]
            if limited:
                self._hold(host, limited, now)
            ahead = len(host.work) > host.slots * self._pace.least
            if ahead and not host.recalling and now - max(host.heard_at, host.fed_at) > QUIET:
                host.recall()
                self._pace.stalled()
            again = again or ahead or bool(limited) or (host.alone and self._await(host, now))
        if again:
            self.watch()

    def _await(self, host: Host, now: float) -> bool:
        """Return whether a host has yet to begin its redelivered job; end one that cannot, since it is stopped."""
        for work in host.work.values():
            if host.began(work):
                return False
            if now - work.sent_at > UNBEGUN and vitals.cpu_seconds(host.pid) is None:
                logger.warning("host %d is stopped and has begun nothing; another one gets its job", host.pid)
                host.kill()
        return bool(host.work)

    def _hold(self, host: Host, limited: list[Work], now: float) -> None:
        soft: list[int] = []
        hard: list[int] = []
        for work in limited:
            began = work.started_at
            if began is None and host.running < host.slots:
                began = work.sent_at  # it could run and does not say so: the host may be stopped
            if began is None:
                continue
            if work.hard is not None and now - began >= work.hard:
                if self._beyond(host, work, now):
                    hard.append(work.job.id)
            elif work.soft is not None and now - began >= work.soft and not work.interrupted and work.started_at:
                work.interrupted = True
                soft.append(work.job.id)
        if soft:
            host.tell(Order.INTERRUPT, soft)
        if hard:
            host.tell(Order.OVERDUE, hard)

    def _beyond(self, host: Host, work: Work, now: float) -> bool:
        """Do what is due with a job beyond its hard limit; return whether the host is to be told of it."""
        if host.slots > 1 and work.overdue_at is None:
            work.overdue_at = now
            return True
        over = now - (work.overdue_at or now)
        if host.slots == 1 or over >= KILL:
            cause = f"hard time limit of {work.hard:g} s exceeded"
            host.kill_for(work.job.id, Loss(LossKind.HARD_LIMIT, cause, started=True, signum=signal.SIGKILL))
        elif over >= RETIRE and not host.retiring:
            logger.warning("host %d runs %s[%s] beyond its hard limit; it is replaced, and its other tasks may end",
                           host.pid, work.job.task, work.job.task_id)  # fmt: skip
            self._fleet.retire(host)
        return False
