"""One connection that events go out over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError
from kombu.messaging import Producer

from kernelq.events.backlog import Backlog, is_list
from kernelq.events.event import TRANSIENT, exchange
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable, Unreachable

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.conf import Conf
    from kernelq.kernel.contracts.transport import Transport

TOGETHER = 500
"""Events in one message at most: above it an event costs no less, and the message only gets long."""

Encode = Callable[[Any], bytes]
"""Writes JSON, where it shall not be kombu's serializer."""


class Outlet:
    """Publishes events over a connection, or over a channel of it. Not thread-safe."""

    def __init__(
        self,
        connection: Connection,
        conf: Conf,
        hostname: str,
        *,
        channel: Any = None,
        serializer: str | None = None,
        delivery_mode: int = TRANSIENT,
        encode: Encode | None = None,
    ) -> None:
        self.connection = connection
        self._errors = _errors(connection)
        self._exchange = exchange(connection, conf.event_exchange)
        self._producer = Producer(channel or connection, exchange=self._exchange, auto_declare=False)
        self._encode = encode
        self._timeout = conf.broker_connection_timeout
        self._headers = {"hostname": hostname}
        self._how = {
            "exchange": self._exchange.name,
            "serializer": serializer or conf.event_serializer,
            "delivery_mode": delivery_mode,
        }
        if encode is not None:
            self._how |= {"content_type": "application/json", "content_encoding": "utf-8"}

    def publish(self, key: str, body: Any, producer: Any = None, **how: Any) -> None:
        """Publish one event, or a list of them; `how` is for kombu's ``Producer.publish``, `producer` one of yours.

        Raises `BrokerLost`, and whatever the serializer raises for what it cannot write.
        """
        if self._encode is not None:
            body = self._encode(body)
        with _guarded(self._errors):
            (producer or self._producer).publish(
                body,
                routing_key=key,
                declare=[self._exchange],
                headers=dict(self._headers),
                confirm_timeout=self._timeout,
                **{**self._how, **how},
            )

    def drain(self, backlog: Backlog) -> None:
        """Publish everything that waits, lists of one group in one message.

        Raises `BrokerLost`; nothing is forgotten then. What the serializer cannot write is dropped, and what it raised
        is raised in the end.
        """
        failure: Exception | None = None
        while (taken := backlog.take(TOGETHER)) is not None:
            key, events = taken
            try:
                self.publish(key, events if is_list(key) else events[0])
            except Unreachable:
                backlog.restore(key, events)
                raise
            except Exception as error:  # noqa: BLE001 - serializers raise what they like
                failure = error
                self._drain_singly(backlog, key, events)
        if failure is not None:
            raise failure

    def _drain_singly(self, backlog: Backlog, key: str, events: list[Any]) -> None:
        """Publish those that can be written, and count the others."""
        for index, one in enumerate(events):
            try:
                self.publish(key, [one] if is_list(key) else one)
            except Unreachable:
                backlog.restore(key, events[index:])
                raise
            except Exception:  # noqa: BLE001 - as in drain
                backlog.drop(1)

    def close(self) -> None:
        """Close the connection; what it raises is passed over."""
        with contextlib.suppress(*self._errors):
            self.connection.release()


def connect(transport: Transport, timeout: float) -> Connection:
    """Return a connection for events alone; it stands.

    It may be left idle, so it has no heartbeat; and where the broker can, each publish waits until the broker has it,
    since what is written to the socket of a broker that is just dying would be lost uncounted. Raises
    `BrokerUnreachable`.
    """
    connection = transport.connection()
    connection.heartbeat = 0
    if connection.transport.driver_type == "amqp":
        connection.transport_options = {**(connection.transport_options or {}), "confirm_publish": True}
    try:
        connection.ensure_connection(max_retries=0, timeout=timeout)  # who sends tries again
    except _errors(connection) as error:
        with contextlib.suppress(*_errors(connection)):
            connection.release()
        raise BrokerUnreachable(f"no events can be sent to {transport.safe_url()}: {error}") from error
    return connection


@contextlib.contextmanager
def _guarded(errors: tuple[type[BaseException], ...]) -> Iterator[None]:
    try:
        yield
    except Unreachable:
        raise
    except errors as error:
        raise BrokerLost(f"events: {type(error).__name__}: {error}") from error


def _errors(connection: Any) -> tuple[type[BaseException], ...]:
    return (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors)
