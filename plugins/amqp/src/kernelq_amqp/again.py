"""Messages that a lane publishes once more: buried, deferred, counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq_amqp import delays, queues, wire

if TYPE_CHECKING:
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.flight import Flight
    from kernelq_amqp.link import Link
    from kernelq_amqp.poster import Poster
    from kernelq_amqp.queues import Queues


class Again:
    """Each copy is posted, and `posted` called with its original once the broker has the copy.

    What it needs in the broker it declares over the consumer's link, which is never blocked for want of memory.
    """

    def __init__(
        self, link: Link, connector: Connector, known: Queues, poster: Poster, posted: Callable[[Flight], None]
    ) -> None:
        self._link = link
        self._connector = connector
        self._queues = known
        self._poster = poster
        self._posted = posted
        self._dead: set[str] = set()
        self._delayed: set[str] = set()

    def bury(self, flight: Flight, reason: str) -> None:
        """Copy a message to the dead set."""
        dead = queues.dead_name(flight.queue)
        if dead not in self._dead:
            queues.ensure(self._link, self._queues[dead])
            self._dead.add(dead)
        self._post("", dead, flight, wire.burial(flight.came, reason))

    def publish(self, flight: Flight, eta: float | None, counted: bool) -> None:
        """Copy a message to its queue, at `eta`; its count goes into a header, since the broker counts nothing."""
        came, queue = flight.came, flight.queue
        seen = came.deliveries if counted else came.deliveries - 1
        delayed = delays.route(queue, eta)
        if delayed is not None and queue not in self._delayed:
            delays.ensure(self._link, self._connector, queue)
            self._delayed.add(queue)
        exchange, key = delayed or ("", queue)
        self._post(exchange, key, flight, {wire.ETA: eta, wire.MARK: None, wire.COUNT: seen or None})

    def _post(self, exchange: str, key: str, flight: Flight, headers: dict[str, Any]) -> None:
        again = wire.copied(flight.came, headers)
        self._poster.post(exchange, key, again, flight.came.body, lambda: self._posted(flight))
