"""One connection that events come over."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Consumer

from kernelq.kernel.errors import BrokerLost, BrokerUnreachable

if TYPE_CHECKING:
    from kombu.message import Message

log = logging.getLogger("kernelq.events")


class Subscription:
    """A queue of events on a connection of its own, which it closes. Not thread-safe.

    `place` is the broker as a person may read it. Raises `BrokerUnreachable` where it does not answer within `timeout`
    seconds.
    """

    def __init__(
        self,
        connection: Connection,
        place: str,
        queue: Callable[[Connection], Queue],
        accept: set[str],
        timeout: float,
    ) -> None:
        self.connection = connection
        self._place = place
        self._errors = (OperationalError, *connection.connection_errors, *connection.channel_errors)
        self._come: list[Any] = []
        try:
            connection.ensure_connection(max_retries=1, timeout=timeout)
            self._consumer = Consumer(
                connection.default_channel,
                [queue(connection)],
                callbacks=[self._take],
                no_ack=True,
                accept=accept,
                on_decode_error=_undecodable,
            )
            self._consumer.consume()
        except self._errors as error:
            self._release()
            raise BrokerUnreachable(f"no events can be had from {place}: {error}") from error

    def wait(self, seconds: float) -> list[Any]:
        """Return the bodies that have come; none after `seconds`. Raises `BrokerLost`."""
        with self.guarded():
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=seconds)
            self.connection.heartbeat_check()
        come, self._come = self._come, []
        return come

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Raise `BrokerLost` for whatever the connection raises meanwhile."""
        try:
            yield
        except self._errors as error:
            raise BrokerLost(f"{self._place} was lost: {error}") from error

    def close(self) -> None:
        """Have the queue deleted, and close the connection; one that is lost is given up."""
        with contextlib.suppress(*self._errors):
            self._consumer.cancel()
        self._release()

    def _release(self) -> None:
        with contextlib.suppress(*self._errors):
            self.connection.release()

    def _take(self, body: Any, message: Message) -> None:
        self._come.append(body)


def _undecodable(message: Message, error: Exception) -> None:
    log.warning("an event of type %s cannot be read: %s", message.content_type, error)
