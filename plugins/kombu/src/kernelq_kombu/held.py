"""Deliveries that wait for their time in the worker, because the broker cannot keep them until then."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer

MOST = 1000
"""Messages held at a time; while so many are held, nothing new is fetched."""

LONGEST = 900.0
"""Seconds after which a held message goes back to its queue and is deferred anew.

It is half of RabbitMQ's ``consumer_timeout`` (30 min) and a quarter of kombu's visibility timeout on Redis (1 h),
beyond which the broker would give the message to somebody else as well.
"""


class Held:
    """A heap of held deliveries with one timer."""

    def __init__(self, loop: Loop, due: Callable[[Any], None], overdue: Callable[[Any], None]) -> None:
        self._loop = loop
        self._due = due
        self._overdue = overdue
        self._heap: list[tuple[float, int, float, Any]] = []
        self._numbers = count()
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def full(self) -> bool:
        """Whether nothing more should be fetched."""
        return len(self._heap) >= MOST

    def hold(self, item: Any, eta: float) -> None:
        """Keep `item` until `eta` (seconds since the epoch), or for `LONGEST` seconds."""
        until = time.monotonic() + min(max(eta - time.time(), 0.0), LONGEST)
        heapq.heappush(self._heap, (until, next(self._numbers), eta, item))
        self._wait()

    def clear(self) -> list[Any]:
        """Forget every item; return them, the first due first."""
        items = [entry[3] for entry in sorted(self._heap)]
        self._heap.clear()
        self._cancel()
        return items

    def _wait(self) -> None:
        self._cancel()
        if self._heap:
            self._timer = self._loop.call_later(max(self._heap[0][0] - time.monotonic(), 0.0), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, _, eta, item = heapq.heappop(self._heap)
            (self._due if eta <= time.time() + 0.01 else self._overdue)(item)
        self._wait()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
