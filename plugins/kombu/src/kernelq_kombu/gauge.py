"""How many messages wait in queues, asked without waiting long."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq_kombu.connector import Connector

COUNTS = frozenset({"redis", "memory"})
"""Virtual transports that count a queue in less than a millisecond; others list files, ask over HTTP, or say 0."""

PATIENCE = 0.5
"""Seconds to wait for an AMQP broker's answers, which take one or two milliseconds; later ones are passed over."""


class Gauge:
    """Counts ready messages on a channel of its own: a broker closes the channel that asks for a missing queue."""

    def __init__(self, connection: Connection, connector: Connector) -> None:
        self._connection = connection
        self._connector = connector
        self._channel: Any = None

    def count(self, queues: Iterable[str]) -> int | None:
        """Return how many messages are ready in `queues`; None where the broker cannot tell, or not now."""
        if self._connector.driver != "amqp" and self._connector.driver not in COUNTS:
            return None
        if self._channel is None:
            self._channel = self._connection.channel()
        total, until = 0, monotonic() + PATIENCE
        for queue in queues:
            ready = self._channel._size(queue) if self._connector.virtual else self._passive(queue, until)
            if ready is None:
                return None
            total += ready
        return total

    def _passive(self, queue: str, until: float) -> int | None:
        """Declare `queue` passively, as kombu's channel does, but with a bounded wait (amqp 5: channel.py)."""
        from amqp import spec

        channel = self._channel
        try:
            channel.send_method(spec.Queue.Declare, "BsbbbbbF", (0, queue, True, False, False, False, False, {}))
            while True:
                left = max(until - monotonic(), 0.001)
                name, ready, _ = channel.wait(spec.Queue.DeclareOk, timeout=left, returns_tuple=True)
                if name == queue:  # else it is the answer that came too late for the last look
                    return int(ready)
        except TimeoutError:
            return None
        except self._connection.channel_errors:
            self._channel = None
            return None
