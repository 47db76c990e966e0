"""Where the events of workers come in: a queue of our own on the exchange of events."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq.events.event import exchange
from kernelq.ids import new_id
from kernelq.kernel.errors import BrokerLost

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.app import KernelQ

log = logging.getLogger("kernelq.gossip")

ROUTING_KEY = "worker.#"
TTL = 2.0
"""Seconds that an event waits unread: the interval of heartbeats, as Celery has it."""

Event = dict[str, Any]


class Inbox:
    """Takes events in the loop, and hands over those of workers. What cannot be read is counted and dropped."""

    def __init__(self, app: KernelQ, connection: Connection, on_event: Callable[[Event], None]) -> None:
        self.malformed = 0
        self._app = app
        self._on_event = on_event
        self._lost = (*connection.connection_errors, *connection.channel_errors)
        self._channel: Any = None
        self._consumer: Any = None
        self._connection: Any = connection

    def open(self) -> None:
        """Declare the queue and listen. Raises `BrokerLost`."""
        from kombu.messaging import Consumer

        try:
            self._channel = self._connection.channel()
            self._consumer = Consumer(
                self._channel,
                queues=[queue(self._app, self._connection)],
                on_message=self._on_message,
                accept=[self._app.conf.event_serializer, "json"],
                no_ack=True,
            )
            self._consumer.consume()
        except self._lost as error:
            raise BrokerLost(f"gossip: {error}") from error

    def close(self) -> None:
        """Listen no more. May be called twice, and when the connection is lost."""
        consumer, self._consumer = self._consumer, None
        channel, self._channel = self._channel, None
        with contextlib.suppress(*self._lost):
            if consumer is not None:
                consumer.cancel()
            if channel is not None:
                channel.close()

    def _on_message(self, message: Any) -> None:
        # Without patterns in its channels Redis delivers the events of tasks too, which may be many: undecoded, away.
        if str(message.delivery_info.get("routing_key", "")).startswith("task."):
            return
        now = time.time()
        try:
            payload = message.payload
        except Exception as error:  # noqa: BLE001 - whatever a decoder makes of bytes that somebody sent
            self._useless(f"{type(error).__name__}: {error}")
            return
        for event in payload if isinstance(payload, list) else [payload]:
            if isinstance(event, dict) and all(isinstance(event.get(name), str) for name in ("type", "hostname")):
                self._take({**event, "local_received": now})
            else:
                self._useless("it is no event")

    def _take(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - a field may be anything, and the connection is the commands' too
            self._useless(f"{event['type']}: {type(error).__name__}: {error}")

    def _useless(self, why: str) -> None:
        self.malformed += 1
        level = logging.WARNING if self.malformed == 1 else logging.DEBUG
        log.log(level, "gossip: an event cannot be read, and is dropped: %s", why)


def queue(app: KernelQ, connection: Connection) -> Any:
    """Return a queue of a new name on the exchange of events, as Celery's Gossip has it (celery/events/receiver.py)."""
    from kombu.entity import Queue

    conf = app.conf
    return Queue(
        f"{conf.event_queue_prefix}.{new_id()}",
        exchange=exchange(connection, conf.event_exchange),
        routing_key=ROUTING_KEY,
        durable=conf.event_queue_durable,
        auto_delete=not conf.event_queue_durable,
        exclusive=conf.event_queue_exclusive and not conf.event_queue_durable,
        message_ttl=TTL,
        expires=conf.event_queue_expires,
    )
