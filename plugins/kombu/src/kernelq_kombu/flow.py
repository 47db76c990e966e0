"""How much the broker may send: credit as kombu's transports understand it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kombu.transport import virtual

if TYPE_CHECKING:
    from kombu.connection import Connection

T = TypeVar("T")

NOTHING = -1
"""A prefetch that lets nothing through; 0 means without limit, in kombu as in AMQP."""


class Flow:
    """Sets the prefetch of one channel, and cancels its consumers while nothing at all is wanted.

    kombu's virtual transports count the prefetch in the channel object; there `NOTHING` is enough to stop them.
    """

    def __init__(self, connection: Connection, channel: Any, virtual_transport: bool) -> None:
        self._channel = channel
        self._virtual = virtual_transport
        self._global = not virtual_transport and not connection.qos_semantics_matches_spec
        self._consumers: list[Any] = []
        self._prefetch = 0
        self.running = False

    def add(self, consumer: Any) -> None:
        """Consume with `consumer` whenever something is wanted."""
        self._consumers.append(consumer)
        if self.running:
            consumer.consume()

    def remove(self, consumer: Any) -> None:
        """Consume with `consumer` no longer."""
        self._consumers.remove(consumer)
        consumer.cancel()

    def set(self, outstanding: int, wanted: int) -> None:
        """Let the broker send `wanted` messages beyond the `outstanding` ones."""
        prefetch = outstanding + wanted
        if self._virtual:
            self._qos(prefetch or NOTHING)
            self._start()
        elif prefetch:
            self._qos(prefetch)
            if wanted:
                self._start()
        else:
            self.stop()

    def stop(self) -> None:
        """Consume nothing until more is wanted."""
        if self.running:
            self.running = False
            for consumer in self._consumers:
                consumer.cancel()

    def prepare_return(self) -> None:
        """Keep the broker from sending further messages between those that are about to be given back.

        RabbitMQ frees the prefetch before it requeues, so it would send what stood behind them.
        """
        if not self._virtual:
            self.stop()

    def order_of_return(self, messages: Sequence[T]) -> Sequence[T]:
        """Return `messages` in the order in which to give them back, so that the first is the next to be taken.

        Redis has a place for "next", so the last goes there first. AMQP puts each where it was. The others know only
        the end of the queue.
        """
        return messages[::-1] if self._has_front() else messages

    def give_back(self, message: Any) -> None:
        """Give one message back to its queue."""
        if self._has_front():
            qos = self._channel.qos
            qos.restore_by_tag(message.delivery_tag, leftmost=False)
            virtual.QoS.ack(qos, message.delivery_tag)
        else:
            self._channel.basic_reject(message.delivery_tag, requeue=True)

    def _has_front(self) -> bool:
        return self._virtual and hasattr(self._channel.qos, "restore_by_tag")

    def _qos(self, prefetch: int) -> None:
        if prefetch != self._prefetch:
            self._prefetch = prefetch
            self._channel.basic_qos(0, prefetch, self._global)

    def _start(self) -> None:
        if not self.running:
            self.running = True
            for consumer in self._consumers:
                consumer.consume()
