"""The consuming side of the broker in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kernelq_memory.backend import MemoryBackend

if TYPE_CHECKING:
    from kernelq.delivery import Delivery, Settlement
    from kernelq.handles import Loop, Timer
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq_memory.broker import MemoryBroker

LONGEST_SLEEP = 1.0
"""Seconds after which delayed messages are looked at again, so that a jump of the wall clock delays none."""

LARGEST_BATCH = 256
"""Deliveries handed over in one turn of the loop, so that nothing else in the loop waits for long."""


class MemoryLane:
    """A lane over queues in memory: a sender wakes the loop, and the next turn of it takes what came."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._loop: Loop | None = None
        self._on_deliveries: Callable[[list[Delivery]], None] | None = None
        self._queues: list[str] = []
        self._credit = 0
        self._scheduled = False
        self._timer: Timer | None = None
        self._backend: MemoryBackend | None = None

    def open(self, loop: Loop, queues: Sequence[str], on_deliveries: Callable[[list[Delivery]], None]) -> None:
        """Start to consume; see `kernelq.kernel.contracts.transport.Lane`."""
        self._loop, self._on_deliveries = loop, on_deliveries
        for queue in queues:
            self.add_queue(queue)

    def want(self, n: int) -> None:
        """Set the credit."""
        self._credit = n
        self.wake()

    def wake(self) -> None:
        """Fetch at the next turn of the loop, if there is credit. Safe from any thread."""
        loop = self._loop
        if self._credit > 0 and not self._scheduled and loop is not None:
            self._scheduled = True
            loop.call_soon(self._fetch)

    def begin(self, batch: Sequence[Delivery]) -> None:
        """Note that redelivered messages start now."""
        self._broker.begin(self, batch)

    def settle(self, batch: Sequence[Settlement]) -> None:
        """Settle, and store the results that come with what was this lane's own."""
        self._broker.settle(self, batch, None if self._backend is None else self._backend.store_many)

    def commits(self, backend: ResultBackend) -> bool:
        """Tell whether `backend` is in memory too: nothing can fail between result and settlement."""
        if isinstance(backend, MemoryBackend):
            self._backend = backend
        return self._backend is backend

    def add_queue(self, queue: str) -> None:
        """Consume from one queue more."""
        if queue not in self._queues:
            self._broker.listen(queue, self)
            self._queues.append(queue)
            self.wake()

    def cancel_queue(self, queue: str) -> None:
        """Consume from `queue` no longer."""
        if queue in self._queues:
            self._broker.ignore(queue, self)
            self._queues.remove(queue)

    def depth(self, most: int = 1000) -> int | None:
        """Return how many messages wait, or None when the lane is closed."""
        return min(self._broker.waiting(self._queues), most) if self._loop is not None else None

    def close(self, release: Sequence[Delivery] = ()) -> None:
        """Give everything in flight back; `release` uncounted."""
        self._credit = 0
        self._loop = None
        self._on_deliveries = None
        for queue in list(self._queues):
            self.cancel_queue(queue)
        self._cancel_timer()
        self._broker.leave(self, release)

    def info(self) -> dict[str, Any]:
        """Return the queues and the credit."""
        return {"transport": "memory", "queues": list(self._queues), "credit": self._credit}

    def _fetch(self) -> None:
        self._scheduled = False
        if self._on_deliveries is None:
            return
        if self._credit > 0 and self._queues:
            deliveries = self._broker.claim(self, self._queues, min(self._credit, LARGEST_BATCH))
            self._credit -= len(deliveries)
            if len(deliveries) > 1:  # fair to every queue: the one asked first is asked last next time
                self._queues.append(self._queues.pop(0))
            if deliveries:
                self._on_deliveries(deliveries)
                self.wake()
                return
        self._wait_for_delayed()

    def _wait_for_delayed(self) -> None:
        self._cancel_timer()
        due = self._broker.next_due(self._queues)
        if due is not None and self._loop is not None:
            self._timer = self._loop.call_later(min(max(due - time.time(), 0.0), LONGEST_SLEEP), self.wake)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
