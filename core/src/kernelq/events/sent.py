"""The event task-sent, of those who send tasks (celery/app/amqp.py)."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kernelq.events.dispatcher import Dispatcher
from kernelq.kernel.contracts.transport import TransportCapability

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.message import Message

log = logging.getLogger("kernelq.events")

SENT = "task-sent"


class SentEvents:
    """Tells monitors which tasks this process sends. Thread-safe, also after a fork.

    The tasks are sent by then, so it never raises: events that find no broker are kept, and in the end dropped.
    """

    def __init__(self, app: KernelQ) -> None:
        self._app = app
        self._audible = TransportCapability.FANOUT in app.transport.capabilities
        self._dispatchers: dict[int, Dispatcher] = {}

    def __call__(self, messages: Sequence[Message]) -> None:
        """Send the events of messages that have been published."""
        if not self._audible:
            return
        try:
            dispatcher = self._dispatcher()
            if len(messages) == 1:
                dispatcher.send(SENT, **fields(messages[0]))
            else:
                dispatcher.send_many([(SENT, fields(message)) for message in messages])
        except Exception:
            log.exception("no event tells of %d tasks that were sent", len(messages))

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        dispatcher = self._dispatchers.pop(os.getpid(), None)
        if dispatcher is not None:
            dispatcher.close()

    def _dispatcher(self) -> Dispatcher:
        pid = os.getpid()
        known = self._dispatchers.get(pid)
        # That of a parent stays referred to: to free it would close a connection that is not ours.
        return known if known is not None else self._dispatchers.setdefault(pid, Dispatcher(self._app))


def fields(message: Message) -> dict[str, Any]:
    """Return what the event tells of a message."""
    get = message.headers.get
    return {
        "uuid": message.id,
        "root_id": get("root_id"),
        "parent_id": get("parent_id"),
        "name": get("task"),
        "args": get("argsrepr"),
        "kwargs": get("kwargsrepr"),
        "retries": get("retries"),
        "eta": get("eta"),
        "expires": get("expires"),
        "queue": message.queue,
        "exchange": message.exchange,
        "routing_key": message.routing_key or message.queue,
    }
