"""What becomes of a lane's things when its worker dies: how deliveries are counted on a broker that counts none.

RabbitMQ tells that a message was delivered before, not whether its owner died or gave it back. So each lane has an
*estate*: a queue that only it consumes, whose messages it never acknowledges while it lives. When its connection is
gone they expire at once (time to live 0) and the broker sends them on to the heirs:

- a *will* for each consumed queue goes to ``<queue>.kernelq.losses``. While something is there, a redelivered message
  counts as one that lost its owner; a lane that closes in peace takes its wills with it.
- the copy of a message that has *begun* for the second time goes back to its queue, with its count raised in a header.
  The original is acknowledged when the broker has the copy: twice is possible then, never is not.
"""

from __future__ import annotations

import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from amqp import spec

from kernelq_amqp import wire
from kernelq_amqp.flight import Open
from kernelq_amqp.link import short_strings
from kernelq_amqp.queues import QUORUM, count
from kernelq_amqp.tables import properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelq_amqp.flight import Flight
    from kernelq_amqp.link import Link
    from kernelq_amqp.poster import Poster

ESTATES = "kernelq.estates"
HEIRS = "kernelq.heirs"
LOSSES = ".kernelq.losses"
"""What is appended to a queue's name for the place where lost owners are noted."""
WILL, BEGUN = "w", "b"

UNUSED = 60_000
"""Milliseconds that the empty estate of a dead lane stays."""
REMEMBERED = 86_400_000
"""Milliseconds that a loss counts."""
FORGOTTEN = 7 * REMEMBERED
KNOWN_FOR = 60.0
"""Seconds for which a loss that was seen is not looked for again."""
UNKNOWN_FOR = 0.02


class Estate:
    """The estate of one lane, on a channel of its own without a prefetch."""

    def __init__(self, link: Link, poster: Poster, quorum: bool) -> None:
        self._link = link
        self._poster = poster
        self._id = uuid.uuid4().hex
        self._name = f"kernelq.estate.{self._id}"
        self._seen: dict[str, tuple[bool, float]] = {}
        self._copies: dict[str, int] = {}
        self._settled: set[str] = set()
        self._channel = channel = link.channel()
        self._open = Open(link, channel)
        channel.on_deliver = self._came
        for exchange in (ESTATES, HEIRS):
            channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False, nowait=True)
        arguments: dict[str, Any] = {
            "x-message-ttl": 0,
            "x-dead-letter-exchange": HEIRS,
            "x-expires": UNUSED,
        }
        if quorum:
            arguments |= {
                "x-queue-type": QUORUM,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
        channel.queue_declare(self._name, durable=True, auto_delete=False, arguments=arguments)
        channel.queue_bind(self._name, ESTATES, f"{self._id}.#", nowait=True)
        consume: tuple[Any, ...] = (0, self._name, "estate", False, False, False, True, {})
        channel.send_method(spec.Basic.Consume, "BssbbbbF", consume)

    def add_queue(self, queue: str) -> None:
        """Make a will for `queue`, and see to what goes back to it."""
        losses = queue + LOSSES
        arguments = {"x-max-length": 1, "x-message-ttl": REMEMBERED, "x-expires": FORGOTTEN}
        self._channel.queue_declare(losses, durable=True, auto_delete=False, arguments=arguments, nowait=True)
        self._channel.queue_bind(losses, HEIRS, f"*.{WILL}.{queue}", nowait=True)
        self._channel.queue_bind(queue, HEIRS, f"*.{BEGUN}.{queue}")
        self._poster.post(ESTATES, f"{self._id}.{WILL}.{queue}", {"delivery_mode": 2}, b"", _nothing)

    def lost(self, queue: str) -> bool:
        """Tell whether a lane that consumed `queue` has died of late. Asks the broker, but not each time."""
        known, at = self._seen.get(queue, (False, 0.0))
        now = time.monotonic()
        if now - at > (KNOWN_FOR if known else UNKNOWN_FOR):
            known = bool(count(self._link, queue + LOSSES))
            self._seen[queue] = known, time.monotonic()
        return known

    def begin(self, flights: list[Flight], acknowledge: Callable[[Flight], None], timeout: float) -> None:
        """Put copies of `flights` into the estate, `acknowledge` the originals; return when the broker has them."""
        for flight in flights:
            flight.mark = uuid.uuid4().hex
            headers = {wire.COUNT: flight.came.deliveries, wire.MARK: flight.mark, wire.ETA: None}
            again = wire.copied(flight.came, headers)
            key = f"{self._id}.{BEGUN}.{flight.queue}"
            self._poster.post(ESTATES, key, again, flight.came.body, partial(acknowledge, flight))
        self._poster.wait(timeout)

    def settle(self, flight: Flight) -> None:
        """Drop the copy of a message that had begun and is settled."""
        tag = self._copies.pop(flight.mark, None)
        if tag is None:
            self._settled.add(flight.mark)
        else:
            self._open.ack([tag])

    def collect(self, seconds: float) -> None:
        """Wait for the copies of what is settled, and drop them; raises TimeoutError after `seconds`."""
        until = time.monotonic() + seconds
        while self._settled:
            self._link.drain_events(max(until - time.monotonic(), 0.0))

    def close(self) -> None:
        """Take the wills along: this lane closes in peace, with nothing in flight; what is here goes too."""
        self._channel.queue_delete(self._name)

    def _came(self, _consumer: str, tag: int, _redelivered: bool, route: bytes, header: bytes, _body: bytes) -> None:
        self._open.add(tag)
        if short_strings(route)[1].split(".", 2)[1] != BEGUN:
            return
        mark = (properties(header).get("application_headers") or {}).get(wire.MARK)
        if mark in self._settled:
            self._settled.discard(mark)
            self._open.ack([tag])
        elif isinstance(mark, str):
            self._copies[mark] = tag


def _nothing() -> None:
    pass
