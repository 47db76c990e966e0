"""RabbitMQ, by its URL."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from kernelq.forks import after_fork
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq_amqp.admin import AmqpAdmin
from kernelq_amqp.audience import attended, count
from kernelq_amqp.connector import Connector
from kernelq_amqp.lane import AmqpLane
from kernelq_amqp.queues import QUORUM, Queues
from kernelq_amqp.sender import AmqpSender

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.kernel.settings import Settings


class AmqpTransport:
    """RabbitMQ behind ``amqp://``, ``pyamqp://`` or ``amqps://``."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url
        self._settings = settings
        self._senders: WeakSet[AmqpSender] = WeakSet()
        after_fork(self._forked)

    @cached_property
    def _connector(self) -> Connector:
        return Connector(self.url, self._settings)

    @cached_property
    def _queues(self) -> Queues:
        return Queues(self._connector)

    @cached_property
    def capabilities(self) -> frozenset[Can]:
        """What holds with these settings."""
        able = {Can.COUNTER, Can.DEAD_SET, Can.DELAY, Can.FANOUT, Can.LEASE, Can.MULTIPROCESS, Can.PURGE}
        option = self._connector.option
        kinds = {option("task_default_queue_type"), option("task_create_missing_queue_type")}
        if option("task_queue_max_priority") and QUORUM not in kinds:
            able.add(Can.PRIORITY)
        return frozenset(able)

    def connection(self) -> Connection:
        """Return a new kombu connection for control and events."""
        return self._connector.control()

    def lane(self) -> AmqpLane:
        """Return a new lane."""
        return AmqpLane(self._connector, self._queues)

    def sender(self) -> AmqpSender:
        """Return a new sender."""
        sender = AmqpSender(self._connector, self._queues)
        self._senders.add(sender)
        return sender

    def admin(self) -> AmqpAdmin:
        """Return the queue administration."""
        return AmqpAdmin(self._connector, self._queues)

    def audience(self, channel: Any) -> Callable[[], int | None]:
        """Return what tells whether any node got what `channel` has sent to all since: 0, or None for some."""
        return count(channel)

    def attended(self, connection: Connection, queue: str) -> bool:
        """Tell whether anybody consumes from a queue: whether the node of a mailbox is there."""
        return attended(connection, queue)

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return self._connector.safe_url()

    def _forked(self) -> None:
        for sender in list(self._senders):
            sender.forked()
