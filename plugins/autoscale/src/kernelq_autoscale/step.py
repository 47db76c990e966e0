"""The step Autoscaler: lets the pool grow and shrink with its load."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

from kernelq.handles import PoolHandle, Timer
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, LANE, LOOP, POOL, REQUESTS, WORKER
from kernelq_autoscale.keys import AUTOSCALER
from kernelq_autoscale.policy import Policy
from kernelq_autoscale.settings import AutoscaleSettings, span

log = logging.getLogger("kernelq.autoscale")

EVERY = 0.5
"""Seconds between two looks."""
COUNTED = 1000
"""Waiting messages that are counted at most; the look must stay cheap however long the queue is."""
REMEMBERED = 10
"""Decisions that `inspect stats` shows."""


class Autoscaler(Step):
    """Looks at the slots and the queues twice a second, and asks the policy.

    It belongs to the worker and not to a connection, so that what was seen outlives a lost broker.
    """

    requires = (APP, WORKER, LOOP, POOL, REQUESTS)
    provides = (AUTOSCALER,)

    def __init__(self) -> None:
        self._timer: Timer | None = None
        self._decisions: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._counts = False  # whether the broker has ever told how much waits
        self._need = 0

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether a span was given."""
        wanted = settings.section(AutoscaleSettings).worker_autoscale
        return wanted is not None or "off: --autoscale not given"

    def start(self, ctx: Context) -> None:
        """Begin to look."""
        wanted = ctx[APP].conf.section(AutoscaleSettings)
        assert wanted.worker_autoscale is not None
        self._ctx = ctx
        self._pool: PoolHandle = ctx[POOL]
        self._known = self._pool.concurrency
        self._policy = Policy(*span(wanted.worker_autoscale), wanted.worker_autoscale_keepalive)
        self._timer = ctx[LOOP].call_repeatedly(EVERY, self._look)
        ctx[AUTOSCALER] = self
        log.info("autoscale: from %d to %d slots, now %d", self._policy.least, self._policy.most, self._known)

    def stop(self, ctx: Context) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def update(self, most: int | None = None, least: int | None = None) -> tuple[int, int]:
        """Change the span, now; return (max, min). Raises ValueError where they do not fit each other."""
        policy = self._policy
        new_most = policy.most if most is None else most
        new_least = policy.least if least is None else max(least, 1)
        if not 1 <= new_least <= new_most:
            raise ValueError(f"max {new_most} and min {new_least} do not fit each other: 1 <= min <= max")
        policy.most, policy.least = new_most, new_least
        self._ctx[LOOP].call_soon(self._look)
        return new_most, new_least

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return the span, the slots, how many were needed at the last look, and the last decisions."""
        return {
            "max": self._policy.most,
            "min": self._policy.least,
            "current": self._pool.concurrency,
            "qty": self._need,
            "keepalive": self._policy.keepalive,
            "decisions": list(self._decisions),
        }

    def _look(self) -> None:
        if self._timer is None or self._ctx[WORKER].stopping is not None:
            return
        pool, policy, now = self._pool, self._policy, time.monotonic()
        if pool.concurrency != self._known:
            self._adopt(pool.concurrency, now)
        busy, waiting = self._load()
        self._need = busy + (waiting or 0)
        before = pool.concurrency
        wanted = policy(busy, waiting, before, now)
        if wanted == before:
            return
        self._known = pool.grow(wanted - before) if wanted > before else pool.shrink(before - wanted)
        if self._known == before:
            log.warning("autoscale: the pool %s stays at %d; it is no longer tried", _name(pool), before)
            self.stop(self._ctx)
            return
        self._decide(before, self._why(before, busy, waiting))

    def _load(self) -> tuple[int, int | None]:
        """Return how many tasks run, and how many wait, here and in the queues; None where nobody can tell."""
        requests = self._ctx[REQUESTS]
        busy, here = len(requests.active()), len(requests.reserved())
        lane = self._ctx[WORKER].context.get(LANE)
        depth = lane.depth(COUNTED) if lane is not None else None
        if depth is not None:
            self._counts = True
        elif self._counts:  # it can tell, and not now: the connection is lost, or the broker is slow
            depth = 0
        return busy, None if depth is None else depth + here

    def _adopt(self, concurrency: int, now: float) -> None:
        """Take what a command did to the pool as a wish: the span widens to hold it, as in Celery."""
        policy, before = self._policy, self._known
        policy.most, policy.least = max(policy.most, concurrency), min(policy.least, concurrency)
        policy.hold(concurrency, now)
        self._known = concurrency
        self._decide(before, "told by a command")

    def _why(self, before: int, busy: int, waiting: int | None) -> str:
        if self._known > before:
            if busy + (waiting or 0) < before + (waiting is not None):
                return f"min is {self._policy.least}"
            if waiting is None:
                return f"all {busy} busy"
            return f"{busy} busy, {waiting}{' or more' * (waiting >= COUNTED)} wait"
        if before > self._policy.most:
            return f"max is {self._policy.most}"
        return f"no more were needed for {self._policy.keepalive:g} s"

    def _decide(self, before: int, why: str) -> None:
        log.info("autoscale: %d -> %d: %s", before, self._known, why)
        self._decisions.append({"time": time.time(), "from": before, "to": self._known, "reason": why})


def _name(pool: PoolHandle) -> str:
    return str(pool.info().get("implementation", "here"))
