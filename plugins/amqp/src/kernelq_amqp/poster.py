"""What a lane publishes itself, without ever waiting for it: deferred, buried, counted messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelq_amqp.driven import Driven
from kernelq_amqp.publisher import Publisher

if TYPE_CHECKING:
    from kernelq.handles import Loop
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.wire import Properties


class Poster:
    """A connection of its own, opened at the first post, since a broker short of memory stops whoever publishes.

    `post` returns at once and calls back when the broker has the message; until then its original stays in flight. A
    lost connection, or a message that no queue takes, is a lost broker: originals come again then.
    """

    def __init__(self, connector: Connector, loop: Loop, on_loss: Callable[[BaseException], None]) -> None:
        self._connector = connector
        self._on_loss = on_loss
        self._loop = loop
        self._publisher: Publisher | None = None
        self._driven: Driven | None = None

    @property
    def waiting(self) -> int:
        """How many posts are not confirmed."""
        return 0 if self._publisher is None else len(self._publisher.waiting)

    @property
    def blocked(self) -> bool:
        """Whether the broker takes nothing now."""
        return self._publisher is not None and self._publisher.link.blocked_since is not None

    def post(
        self, exchange: str, routing_key: str, properties: Properties, body: bytes, then: Callable[[], None]
    ) -> None:
        """Publish; call `then` when the broker has it. Raises the connection's errors."""
        self._open().publish(exchange, routing_key, properties, body, then)
        assert self._driven is not None
        self._driven.flush()

    def wait(self, seconds: float) -> None:
        """Wait until everything is confirmed; raises TimeoutError after `seconds`."""
        publisher = self._publisher
        if publisher is not None:
            publisher.link.patience = seconds
            while publisher.waiting:
                publisher.link.drain_events(seconds)
            publisher.check()

    def close(self, broken: bool) -> None:
        """Close; at once where the broker is lost anyway."""
        publisher, self._publisher = self._publisher, None
        if self._driven is not None:
            self._driven.stop()
        if publisher is not None:
            publisher.link.abort() if broken else publisher.link.part(1.0)

    def _open(self) -> Publisher:
        if self._publisher is None:
            link = self._connector.link("lane posts")
            self._publisher = Publisher(link, _call)
            self._driven = Driven(self._loop, link, self._connector, self._publisher.check, self._on_loss)
        return self._publisher


def _call(then: Callable[[], None]) -> None:
    then()
