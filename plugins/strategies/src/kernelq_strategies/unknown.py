"""Deliveries whose task this worker does not have."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from kernelq.delivery import Delivery, Settlement, Verdict

if TYPE_CHECKING:
    from kernelq.handles import StrategyHost

FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0
"""Seconds: the delay doubles from the first to the longest, so that an updated worker soon gets its tasks."""

MOST_REMEMBERED = 10_000

UNKNOWN = "UNKNOWN"
"""The state that `StrategyHost.rejected` is told of each time such a delivery is put off."""


class Unknown:
    """Puts unknown tasks off with a growing delay; buries them after `ttl` seconds.

    A message's age is counted from its ``timestamp`` property where the sender set one, else from when this worker
    first saw it.
    """

    def __init__(self, host: StrategyHost, ttl: float) -> None:
        self._host = host
        self._ttl = ttl
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __call__(self, delivery: Delivery) -> Settlement:
        """Return what becomes of a delivery that names a task nobody here has."""
        name, task_id = delivery.headers.get("task"), str(delivery.headers.get("id"))
        now = time.time()
        first, times = self._remember(task_id, delivery.properties.get("timestamp"), now)
        if now - first >= self._ttl:
            self._seen.pop(task_id, None)
            why = f"no worker knew the task {name!r} for {self._ttl:g} seconds"
            self._host.rejected(delivery, "FAILURE", why)
            return Settlement(delivery, Verdict.BURY, reason=why)
        delay = min(FIRST_DELAY * 2.0**times, LONGEST_DELAY, max(first + self._ttl - now, FIRST_DELAY))
        self._host.rejected(delivery, UNKNOWN, f"put off for {delay:g} seconds")
        return Settlement(delivery, Verdict.DEFER, eta=now + delay)

    def _remember(self, task_id: str, sent_at: object, now: float) -> tuple[float, int]:
        first, times = self._seen.pop(task_id, (now, -1))
        if isinstance(sent_at, int | float):
            first = min(first, float(sent_at))
        self._seen[task_id] = first, times + 1
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return first, min(times + 1, 30)
