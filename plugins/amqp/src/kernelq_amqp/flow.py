"""How much the broker may send: credit, as RabbitMQ's prefetch understands it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from amqp import spec

if TYPE_CHECKING:
    from kernelq_amqp.link import Channel, Link

SLACK = 4
"""One part in so many of a prefetch is no reason to change it."""
GENERATIONS = 6
"""Consumers on one queue, before they are replaced by one."""


class Flow(Protocol):
    """Keeps what the broker may send at what is wanted."""

    def add(self, queue: str, arguments: Mapping[str, Any]) -> None:
        """Consume from `queue` whenever something is wanted."""

    def remove(self, queue: str) -> None:
        """Consume from it no longer."""

    def stop(self) -> None:
        """Consume nothing until more is wanted: what is given back now is not sent here at once."""

    def came(self, consumer: str) -> str:
        """Note a delivery; return its queue."""

    def gone(self, consumer: str) -> None:
        """Note that a delivery is settled."""

    def set(self, outstanding: int, wanted: int) -> None:
        """Let the broker send `wanted` messages beyond the `outstanding` ones."""

    def cancelled(self, consumer: str) -> str | None:
        """Note that the broker has cancelled a consumer; return its queue where it was one in use."""


class _Consumers:
    """The consumers of one channel; a consumer's tag tells its queue, also after it was cancelled."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._numbers = count(1)
        self._known: list[str] = []
        self._arguments: dict[str, Mapping[str, Any]] = {}

    def _queue_of(self, consumer: str) -> str:
        return self._known[int(consumer.partition(".")[0])]

    def _consume(self, queue: str) -> str:
        if queue not in self._known:
            self._known.append(queue)
        tag = f"{self._known.index(queue)}.{next(self._numbers)}"
        arguments = dict(self._arguments[queue])
        self._channel.send_method(spec.Basic.Consume, "BssbbbbF", (0, queue, tag, False, False, False, True, arguments))
        return tag

    def _cancel(self, tag: str) -> None:
        self._channel.send_method(spec.Basic.Cancel, "sb", (tag, True))

    def _qos(self, prefetch: int, whole_channel: bool) -> None:
        self._channel.send_method(spec.Basic.Qos, "lBb", (0, min(prefetch, 65535), whole_channel))


class ChannelFlow(_Consumers):
    """One prefetch for all consumers of the channel: exact, for classic queues on RabbitMQ 3.

    While tasks come and go, what is out and what is wanted have a steady sum, so it is changed rarely.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._running: dict[str, str] = {}
        self._on = False
        self._prefetch = 0

    def add(self, queue: str, arguments: Mapping[str, Any]) -> None:
        """See `Flow`."""
        self._arguments[queue] = arguments
        if self._on:
            self._running[queue] = self._consume(queue)

    def remove(self, queue: str) -> None:
        """See `Flow`."""
        self._arguments.pop(queue, None)
        tag = self._running.pop(queue, None)
        if tag is not None:
            self._cancel(tag)

    def stop(self) -> None:
        """See `Flow`."""
        self._on = False
        for tag in self._running.values():
            self._cancel(tag)
        self._running.clear()

    def came(self, consumer: str) -> str:
        """See `Flow`."""
        return self._queue_of(consumer)

    def gone(self, consumer: str) -> None:
        """See `Flow`."""

    def set(self, outstanding: int, wanted: int) -> None:
        """See `Flow`."""
        prefetch = outstanding + wanted
        if not wanted and not outstanding:  # a prefetch of 0 would be one without limit
            if self._on:
                self.stop()
            return
        if prefetch > self._prefetch or self._prefetch - prefetch > self._prefetch // SLACK:
            self._prefetch = prefetch
            self._qos(prefetch, True)
        if wanted and not self._on:
            self._on = True
            self._running = {queue: self._consume(queue) for queue in self._arguments}

    def cancelled(self, consumer: str) -> str | None:
        """See `Flow`."""
        queue = self._queue_of(consumer)
        if self._running.get(queue) != consumer:
            return None
        del self._running[queue]
        return queue


class ConsumerFlow(_Consumers):
    """A prefetch for each consumer, fixed when it begins: for quorum queues, and RabbitMQ 4.

    More is let through by a further consumer on the same queue, less by cancelling those there are. With several queues
    each may send what is wanted, so more can come than is wanted in all; it waits in the lane.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._live: dict[str, dict[str, int]] = {}
        self._room: dict[str, int] = {}

    def add(self, queue: str, arguments: Mapping[str, Any]) -> None:
        """See `Flow`."""
        self._arguments[queue] = arguments
        self._live.setdefault(queue, {})

    def remove(self, queue: str) -> None:
        """See `Flow`."""
        self._end(queue)
        self._live.pop(queue, None)
        self._arguments.pop(queue, None)

    def stop(self) -> None:
        """See `Flow`."""
        for queue in self._live:
            self._end(queue)

    def came(self, consumer: str) -> str:
        """See `Flow`."""
        if consumer in self._room:
            self._room[consumer] -= 1
        return self._queue_of(consumer)

    def gone(self, consumer: str) -> None:
        """See `Flow`."""
        if consumer in self._room:
            self._room[consumer] += 1

    def set(self, outstanding: int, wanted: int) -> None:
        """See `Flow`."""
        for queue, consumers in self._live.items():
            room = sum(self._room[tag] for tag in consumers)
            slack = sum(consumers.values()) // SLACK
            if room - wanted > slack or (room and not wanted):
                self._end(queue)
                room = 0
            missing = wanted - room
            if missing > 0 and (not room or missing > slack):
                if len(consumers) >= GENERATIONS:
                    self._end(queue)
                    missing = wanted
                self._begin(queue, missing)

    def cancelled(self, consumer: str) -> str | None:
        """See `Flow`."""
        queue = self._queue_of(consumer)
        if self._live.get(queue, {}).pop(consumer, None) is None:
            return None
        self._room.pop(consumer, None)
        return queue

    def _begin(self, queue: str, prefetch: int) -> None:
        self._qos(prefetch, False)
        tag = self._consume(queue)
        self._live[queue][tag] = self._room[tag] = min(prefetch, 65535)

    def _end(self, queue: str) -> None:
        consumers = self._live[queue]
        for tag in consumers:
            self._cancel(tag)
            self._room.pop(tag, None)
        consumers.clear()


def choose(link: Link, channel: Channel, quorum: bool) -> Flow:
    """Return the flow that this broker and these queues allow."""
    version = str(link.server_properties.get("version", "0")).partition(".")[0]
    if quorum or not version.isdigit() or int(version) >= 4:
        return ConsumerFlow(channel)
    return ChannelFlow(channel)
