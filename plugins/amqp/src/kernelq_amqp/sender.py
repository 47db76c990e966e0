"""Publishing, confirmed by the broker, on a connection of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from amqp.exceptions import NotFound

from kernelq.kernel.errors import BrokerUnreachable
from kernelq_amqp import delays, outlines, queues
from kernelq_amqp.publisher import REFUSALS, Publisher, Unroutable

if TYPE_CHECKING:
    from kernelq.message import Message
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.link import Link
    from kernelq_amqp.queues import Queues

WINDOW = 1000
"""Messages that may wait for their confirmation at a time."""
IDLE = 1.0
"""Seconds after which a connection is looked at before something is sent; before that, sending tells soon enough."""
PIECE = 32 * 1024
"""Bytes of many messages that are sent at a time."""
LOOK = 0.1
"""Seconds between looks at whether those who send before have failed, once the time of who waits for them is over."""


class AmqpSender:
    """A `Sender` with publisher confirms; see the contract.

    It connects at the first message, and again where the broker has closed an idle connection. A message whose
    confirmation was lost with the connection is published again: twice is possible, never is not. Raises `Unroutable`
    where no queue takes a message; it tells which, and which of the others the broker has.
    """

    def __init__(self, connector: Connector, known: Queues) -> None:
        self._connector = connector
        self._queues = known
        self.forked()

    def forked(self) -> None:
        """Leave the parent's connection alone; called in a forked child."""
        self._lock = threading.RLock()  # a thread that is not here any more may have held it
        self._publisher: Publisher | None = None
        self._forget()
        self._safe: set[int] = set()
        self._until = 0.0
        self._failed_at = 0.0

    def publish(self, message: Message) -> None:
        """Publish one message; raises BrokerUnreachable within the connection timeout."""
        self.publish_many((message,))

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Publish `messages` in order. There is no all or none: what came before a failure stays."""
        if not messages:
            return
        with self._turn():
            self._safe = set()
            for fresh in (self._publisher is None, True):
                try:
                    self._send(messages)
                    return
                except Unroutable as error:  # once more: a queue that was there is gone, and is declared again
                    self._drop()
                    self._safe = {number for number in self._safe if messages[number].id not in error.ids}
                    if fresh:
                        error.taken = frozenset(messages[number].id for number in self._safe)
                        raise
                except BrokerUnreachable:
                    self._drop()
                    if fresh or time.monotonic() >= self._until:
                        self._failed_at = time.monotonic()
                        raise
                except BaseException:
                    self._drop()
                    raise

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other thread sends, and give this one its time.

        That is the whole of it, however long a bulk of others took. But where others have failed meanwhile, it counts
        from now on: so of a hundred threads that send to a broker that is away, none waits for the rest.
        """
        timeout = self._connector.timeout
        began = time.monotonic()
        while not self._lock.acquire(timeout=max(began + timeout - time.monotonic(), LOOK)):
            self._give_up(began)
        try:
            if self._failed_at > began:
                self._give_up(began)
                self._until = began + timeout
            else:
                self._until = time.monotonic() + timeout
            yield
        finally:
            self._lock.release()

    def _give_up(self, began: float) -> None:
        if self._failed_at > began and time.monotonic() >= began + self._connector.timeout:
            text = f"the broker {self._connector.safe_url()} cannot be reached: others have tried meanwhile, in vain"
            raise BrokerUnreachable(text)

    def close(self) -> None:
        """Close the connection. A later publish opens another."""
        with self._lock:
            publisher, self._publisher = self._publisher, None
            self._forget()
            if publisher is not None:
                publisher.link.part(1.0)

    def _send(self, messages: Sequence[Message]) -> None:
        with self._connector.reaching():
            publisher = self._publisher or self._open()
            link = publisher.link
            if link.silence > IDLE:
                link.receive()  # tells whether the broker has closed an idle connection
            now = time.time()
            refused: dict[str, str] = {}
            for number, message in enumerate(messages):
                if number in self._safe:
                    continue
                try:
                    exchange, key = self._route(link, message)
                except Unroutable as error:  # the others are sent
                    refused[message.id] = str(error)
                    continue
                publisher.publish_encoded(exchange, key, outlines.encoded(message, now), message.body, number)
                if link.unsent >= PIECE:  # the broker takes it while the next are made
                    link.flush()
                if len(publisher.waiting) >= WINDOW:
                    self._until = publisher.finish(WINDOW // 2, self._until, self._connector.timeout)
            self._until = publisher.finish(0, self._until, self._connector.timeout)
            publisher.returned.update(refused)
            publisher.check()

    def _route(self, link: Link, message: Message) -> tuple[str, str]:
        queue = message.queue
        if queue not in self._declared:
            link.patience = max(self._until - time.monotonic(), 0.01)
            try:
                queues.ensure(link, self._queues[queue])
            except REFUSALS as error:
                raise Unroutable(f"{link.host} has no queue {queue!r}, and makes none: {error}") from error
            self._declared.add(queue)
        delayed = None if message.eta is None else delays.route(queue, message.eta)
        if delayed is not None:
            if queue not in self._delayed:
                delays.ensure(link, self._connector, queue)
                self._delayed.add(queue)
            return delayed
        if message.exchange and message.exchange not in self._exchanges:
            self._look_for(link, message.exchange)
        return message.exchange, message.routing_key or queue

    def _look_for(self, link: Link, exchange: str) -> None:
        """Raise `Unroutable` where there is no such exchange: to publish to it costs others their confirmations."""
        link.patience = max(self._until - time.monotonic(), 0.01)
        channel = link.channel()
        try:
            channel.exchange_declare(exchange, "", passive=True)
        except NotFound as error:
            raise Unroutable(f"{link.host}: {error}") from error
        channel.close()
        self._exchanges.add(exchange)

    def _open(self) -> Publisher:
        left = max(self._until - time.monotonic(), 0.01)
        link = self._connector.link("sender", idle=True, timeout=left)
        self._publisher = publisher = Publisher(link, self._safe_add)
        return publisher

    def _safe_add(self, number: int) -> None:
        self._safe.add(number)

    def _forget(self) -> None:
        """Know nothing of what there is in the broker."""
        self._declared: set[str] = set()
        self._delayed: set[str] = set()
        self._exchanges: set[str] = set()

    def _drop(self) -> None:
        publisher, self._publisher = self._publisher, None
        self._forget()
        if publisher is not None:
            publisher.link.abort()
