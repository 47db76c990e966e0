"""Publishing on one channel, with confirmations."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from struct import Struct
from typing import TYPE_CHECKING, Any

from amqp import spec
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from amqp.serialization import dumps

from kernelq.kernel.errors import BrokerUnreachable, KernelQError
from kernelq_amqp.link import BODY, HEADER, METHOD, frame
from kernelq_amqp.outlines import serialized

if TYPE_CHECKING:
    from kernelq_amqp.link import Link
    from kernelq_amqp.wire import Properties

_PUBLISH = Struct(">HH").pack(*spec.Basic.Publish)
_CONTENT = Struct(">HHQ")
"""What a content header begins with: class, weight, size of the body."""

REFUSALS = (AccessRefused, PreconditionFailed, ResourceLocked)
"""Errors with which the broker refuses one thing, and takes others of the same user over the same connection."""


class Unroutable(KernelQError):
    """The broker takes no message for that exchange and routing key, however often it is sent.

    It answers, so this is no `BrokerUnreachable`: nobody waits for it, and no other broker is tried.
    """

    def __init__(self, text: str, ids: Collection[str] = ()) -> None:
        super().__init__(text)
        self.ids = ids
        """The task ids of the messages that it does not take, where it told which."""
        self.taken: Collection[str] = ()
        """The task ids of those of the same batch that it has."""


class Publisher:
    """A channel with publisher confirms; every message is `mandatory`.

    `confirmed` is called with a message's token once the broker has it. Whoever publishes flushes the link. Where no
    channel can be had, the link is dropped.
    """

    def __init__(self, link: Link, confirmed: Callable[[Any], None]) -> None:
        self.link = link
        self.waiting: dict[int, Any] = {}
        """The tokens of the messages that are not confirmed yet, in their order."""
        self.returned: dict[str, str] = {}
        """What could not be routed: correlation ids, each with the reason in words."""
        self.refused = 0
        """How many messages the broker has refused: a full queue, for example."""
        self._confirmed = confirmed
        self._last = 0
        try:
            channel = link.channel()
            channel.confirm_select()
        except BaseException:
            link.abort()
            raise
        channel.on_ack = self._acked
        channel.events["basic_nack"].add(self._nacked)
        channel.events["basic_return"].add(self._came_back)
        self._number: int = channel.channel_id
        self._address: tuple[str, str] | None = None
        self._method = b""
        """The first frame of what is published to that address."""

    def publish(self, exchange: str, routing_key: str, properties: Properties, body: bytes, token: Any) -> None:
        """Publish one message. Raises py-amqp's errors for properties that have no AMQP form."""
        self.publish_encoded(exchange, routing_key, serialized(properties), body, token)

    def publish_encoded(self, exchange: str, routing_key: str, properties: bytes, body: bytes, token: Any) -> None:
        """Publish one message whose properties are encoded."""
        number = self._number
        if self._address != (exchange, routing_key):
            arguments = dumps("Bssbb", (0, exchange, routing_key, True, False))
            self._address, self._method = (exchange, routing_key), frame(METHOD, number, _PUBLISH + arguments)
        size, most = len(body), self.link.frame_max - 8
        header = frame(HEADER, number, _CONTENT.pack(spec.Basic.CLASS_ID, 0, size) + properties)
        pieces = [body] if 0 < size <= most else [body[at : at + most] for at in range(0, size, most)]
        self.link.write(b"".join((self._method, header, *(frame(BODY, number, piece) for piece in pieces))))
        self._last += 1
        self.waiting[self._last] = token

    def finish(self, most: int, until: float, renewed: float) -> float:
        """Wait until at most `most` messages are unconfirmed; return until when (monotonic) the next may be waited for.

        Raises TimeoutError at `until`; with every confirmation it is `renewed` seconds from then on.
        """
        link = self.link
        try:
            while len(self.waiting) > most:
                before = len(self.waiting)
                now = time.monotonic()
                link.drain_events(max(until - now, 0.0))
                if len(self.waiting) < before:
                    until = max(until, now + renewed)
        except TimeoutError:
            if link.blocked_since is None:
                raise
            text = f"{link.host} takes no messages now: it is short of memory or disk (connection.blocked)"
            raise BrokerUnreachable(text) from None
        except (NotFound, *REFUSALS) as error:  # the broker closes the channel for a missing exchange
            raise Unroutable(f"{link.host}: {error}") from error
        return until

    def check(self) -> None:
        """Raise `Unroutable` or BrokerUnreachable for what the broker has returned or refused since the last look."""
        returned, self.returned = self.returned, {}
        refused, self.refused = self.refused, 0
        if returned:
            raise Unroutable("; ".join(dict.fromkeys(returned.values())), frozenset(returned))
        if refused:
            raise BrokerUnreachable(f"the broker refused {refused} messages: a queue is full, or not available")

    def _acked(self, tag: int, multiple: bool) -> None:
        for token in self._take(tag, multiple):
            self._confirmed(token)

    def _nacked(self, tag: int, multiple: bool) -> None:
        self.refused += len(self._take(tag, multiple))

    def _take(self, tag: int, multiple: bool) -> list[Any]:
        waiting = self.waiting
        if not multiple:
            return [waiting.pop(tag)] if tag in waiting else []
        tags = []
        for each in waiting:
            if each > tag:
                break
            tags.append(each)
        return [waiting.pop(each) for each in tags]

    def _came_back(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        where = f"the queue {routing_key!r}" if not exchange else f"the exchange {exchange!r} with key {routing_key!r}"
        who = str(message.properties.get("correlation_id", ""))
        self.returned[who] = f"no queue takes what was sent to {where} ({error})"
