"""Results as messages to whoever asked: Celery's backend rpc (celery/backends/rpc.py)."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernelq.forks import after_fork
from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.errors import BackendUnreachable, BrokerUnreachable, ConfigurationError
from kernelq_amqp.connector import Connector
from kernelq_amqp.options import option
from kernelq_amqp.publisher import Publisher, Unroutable
from kernelq_amqp.replies import Replies

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings
    from kernelq.outcome import Record

SCHEMES = ("amqp", "amqps", "pyamqp")
WINDOW = 1000
"""Results that may wait for their confirmation at a time."""


class RpcBackend:
    """A result goes, once, to the queue that its message named (``reply_to``); whoever sent the task takes it there.

    The broker is that of ``broker_url``. What this contract promises holds within the process that sent the task:
    `get` of another process is None, and a result whose sender is gone is dropped. A SUCCESS that has come is not
    overwritten by what comes later.
    """

    placement = Placement.SUPERVISOR
    multiprocess = True

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url
        self._settings = settings
        self._persistent = bool(option(settings, "result_persistent"))
        self._connector = Connector(_broker(settings), settings)
        self._replies = Replies(self._connector, settings)
        self._lock = threading.Lock()
        self._publisher: Publisher | None = None
        after_fork(self._forked)

    def reply_to(self) -> str:
        """Return the queue that this process takes results from; it exists then. Raises BrokerUnreachable."""
        return self._replies.queue()

    def store_many(self, records: Sequence[Record]) -> None:
        """Send each to where it is waited for, confirmed; one without an address is waited for by nobody."""
        addressed = [record for record in records if record.reply_to]
        if not addressed:
            return
        with self._lock:
            for fresh in (self._publisher is None, True):
                try:
                    self._send(addressed)
                    return
                except BrokerUnreachable as error:
                    self._drop()
                    if fresh:
                        raise BackendUnreachable(str(error)) from error
                except Unroutable:  # the channel is closed; which of the records it was shows when each is sent alone
                    self._drop()
                    raise

    def get(self, task_id: str) -> bytes | None:
        """Return the result of a task that this process has sent, or None."""
        return self._replies.get(task_id)

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Wait for the first of several."""
        return self._replies.wait(task_ids, timeout)

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Wait without blocking the event loop."""
        return await self._replies.wait_async(task_ids, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Drop results that have come."""
        self._replies.forget(task_ids)

    def cleanup(self) -> int:
        """Drop what has expired here; the broker does so by itself."""
        return self._replies.cleanup()

    def close(self) -> None:
        """Close both connections; results that have come stay."""
        self._replies.close()
        with self._lock:
            publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.link.part(1.0)

    def safe_url(self) -> str:
        """Return the URL; it has no password."""
        return self.url

    def _send(self, records: Sequence[Record]) -> None:
        with self._connector.reaching():
            until = time.monotonic() + self._connector.timeout
            publisher = self._publisher
            if publisher is None:
                link = self._connector.link("results", idle=True)
                publisher = self._publisher = Publisher(link, lambda _token: None)
            publisher.link.receive()  # tells whether the broker has closed an idle connection
            for record in records:
                assert record.reply_to is not None
                publisher.publish("", record.reply_to, self._properties(record), record.payload, None)
                if len(publisher.waiting) >= WINDOW:
                    until = publisher.finish(WINDOW // 2, until, self._connector.timeout)
            publisher.finish(0, until, self._connector.timeout)
            publisher.returned.clear()  # who waited is gone
            publisher.check()

    def _properties(self, record: Record) -> dict[str, object]:
        content_type, encoding = self._replies.content
        properties: dict[str, object] = {
            "content_type": content_type,
            "content_encoding": encoding,
            "correlation_id": record.task_id,
            "delivery_mode": 2 if self._persistent else 1,
            "application_headers": {},
        }
        if record.expires:
            properties["expiration"] = str(int(record.expires * 1000))
        return properties

    def _drop(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.link.abort()

    def _forked(self) -> None:
        self._lock = threading.Lock()
        self._publisher = None


def _broker(settings: Settings | None) -> str:
    """Return the first RabbitMQ in ``broker_url``. Raises `ConfigurationError`."""
    given = getattr(settings, "broker_url", "") or ""
    several = given.split(";") if isinstance(given, str) else [str(url) for url in given]
    found = next((url for url in several if url.partition(":")[0] in SCHEMES), None)
    if found is None:
        raise ConfigurationError(
            "result_backend=rpc:// sends results over RabbitMQ, and broker_url names none: set it to amqp://…, "
            "or keep results elsewhere"
        )
    return found
