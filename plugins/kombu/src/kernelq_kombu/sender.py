"""Publishing through kombu, with confirmation where the broker has it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kombu.messaging import Producer

from kernelq.kernel.errors import BrokerUnreachable, KernelQError
from kernelq_kombu import queues, wire
from kernelq_kombu.confirms import Confirmed, Sent
from kernelq_kombu.connector import forget

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.message import Message
    from kernelq_kombu.connector import Connector


class Unroutable(KernelQError):
    """There is no such exchange. The broker answers, so nobody waits for it, and nothing of the batch was sent."""


class KombuSender:
    """Publishes on a connection of its own, which it opens at the first message and after a loss.

    A message whose confirmation was lost with the connection is published again: twice is possible, never is not.
    Thread-safe; a forked child opens its own connection and leaves its parent's alone.
    """

    def __init__(self, connector: Connector, known: set[str]) -> None:
        self._connector = connector
        self._known = known
        self._lock = threading.RLock()
        self._sent = Sent()
        self._connection: Connection | None = None
        self._producer: Any = None
        self._declared: set[str] = set()
        self._exchanges: set[str] = {""}

    def forked(self) -> None:
        """Leave the parent's connection alone; called in a forked child."""
        forget(self._connection)
        self._lock = threading.RLock()  # a thread that is not here any more may have held it
        self._connection = self._producer = None
        self._declared, self._exchanges = set(), {""}

    def publish(self, message: Message) -> None:
        """Publish one message; raises BrokerUnreachable within the connection timeout."""
        self.publish_many((message,))

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Publish `messages` in order. There is no all or none: what came before a failure stays."""
        self.post_many([(message.queue, wire.outgoing(message, self._connector.driver)) for message in messages])

    def post(self, queue: str, arguments: dict[str, Any]) -> None:
        """Publish with the `arguments` of kombu's producer, once `queue` is known to exist."""
        self.post_many([(queue, arguments)])

    def post_many(self, posts: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Publish several and wait for all confirmations. After a loss, go on with a new connection, once in a row."""
        done = 0
        with self._lock:
            while done < len(posts):
                fresh = self._connection is None
                try:
                    self._post(posts[done:])
                except BrokerUnreachable:
                    safe = self._sent.safe
                    self._drop()
                    if fresh and not safe:
                        raise
                    done += safe
                else:
                    return

    def close(self) -> None:
        """Close the connection. A later publish opens another."""
        with self._lock:
            self._drop()

    def _post(self, posts: Sequence[tuple[str, dict[str, Any]]]) -> None:
        with self._connector.reaching():
            self._sent.begin()
            if self._connection is None:
                self._open()
            for queue in sorted({queue for queue, _ in posts} - self._declared):
                self._declare(queue)
            if self._connector.driver == "amqp":  # it closes the channel for a missing one, with what is unconfirmed
                for exchange in sorted({arguments["exchange"] for _, arguments in posts} - self._exchanges):
                    self._look_for(exchange)
            for _, arguments in posts:
                self._producer.publish(**arguments, timeout=self._connector.timeout)
                self._sent.add()
            self._sent.finish()

    def _open(self) -> None:
        self._sent = Sent()
        self._connection = connection = self._connector.connected()
        channel = connection.channel()
        if self._connector.driver == "amqp":
            self._sent = Confirmed(connection, channel, self._connector.timeout)
        self._producer = Producer(channel, auto_declare=False)

    def _declare(self, queue: str) -> None:
        assert self._connection is not None
        known = queues.configured(self._connector)
        entity = known.get(queue) or queues.plain(self._connector, queue)
        queues.ensure(self._connection, entity, self._connector.driver == "amqp")
        self._declared.add(queue)
        self._known.add(queue)

    def _look_for(self, exchange: str) -> None:
        assert self._connection is not None
        channel = self._connection.channel()
        try:
            channel.exchange_declare(exchange, "", passive=True)
        except self._connection.channel_errors as error:
            raise Unroutable(f"{self._connector.safe_url()}: {error}") from error
        finally:
            channel.close()  # it has opened itself again, where the broker had closed it
        self._exchanges.add(exchange)

    def _drop(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        self._declared, self._exchanges = set(), {""}
        if connection is not None:
            connection.collect(socket_timeout=0.1)
