"""Messages whose time comes within a second or two; they wait in the worker, in flight."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer
    from kernelq_amqp.flight import Flight

MOST = 1000
"""Messages held at a time; what comes while so many are held waits in the broker."""


class Held:
    """A heap of messages with one timer. `due` is called with each when its time has come."""

    def __init__(self, loop: Loop, due: Callable[[Flight], None]) -> None:
        self._loop = loop
        self._due = due
        self._heap: list[tuple[float, int, Flight]] = []
        self._numbers = count()
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def full(self) -> bool:
        """Whether no more should be held."""
        return len(self._heap) >= MOST

    def hold(self, flight: Flight, eta: float) -> None:
        """Keep `flight` until `eta`, in seconds since the epoch."""
        heapq.heappush(self._heap, (time.monotonic() + max(eta - time.time(), 0.0), next(self._numbers), flight))
        self._wait()

    def clear(self) -> list[Flight]:
        """Forget every message; return them, the first due first."""
        flights = [entry[2] for entry in sorted(self._heap, key=lambda entry: entry[:2])]
        self._heap.clear()
        self._cancel()
        return flights

    def _wait(self) -> None:
        self._cancel()
        if self._heap:
            self._timer = self._loop.call_later(max(self._heap[0][0] - time.monotonic(), 0.0), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            self._due(heapq.heappop(self._heap)[2])
        self._wait()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
