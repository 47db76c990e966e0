"""The step Control: answers control commands, whatever the pool is doing."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kernelq.handles import WorkerHandle
from kernelq.kernel.errors import BrokerLost
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, CONNECTION, LANE, TRANSPORT, WORKER
from kernelq_control import registry
from kernelq_control.keys import GOSSIP, NOTES, SAMPLES
from kernelq_control.naming import naming

log = logging.getLogger("kernelq.control")

MOST_SAMPLES = 1000
"""Samples of the memory that are kept, as long as the connection."""


class Control(Step):
    """Listens on the node's mailbox, ``<node>.celery.pidbox`` (kombu/pidbox.py), in the loop.

    Commands are found in the group ``kernelq.commands`` and in the app. A message that is no command is logged and
    counted; it ends nothing.
    """

    requires = (APP, WORKER, TRANSPORT, CONNECTION)
    wants = (LANE, NOTES)
    provides = (SAMPLES,)

    def __init__(self) -> None:
        self._node: Any = None
        self._consumer: Any = None
        self._answered = 0
        self._malformed = 0
        self._failed = 0
        self._lost: tuple[type[BaseException], ...] = ()

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether the settings want it."""
        return getattr(settings, "worker_enable_remote_control", True) or "off: worker_enable_remote_control is false"

    def start(self, ctx: Context) -> None:
        """Declare the mailbox and listen. Raises `BrokerLost`."""
        app, worker, connection = ctx[APP], ctx[WORKER], ctx[CONNECTION]
        ctx[SAMPLES] = deque(maxlen=MOST_SAMPLES)
        self._lost = (*connection.connection_errors, *connection.channel_errors)
        mailbox = app.control.mailbox(connection=connection)
        try:
            channel = connection.channel()
            handlers = registry.handlers(app, self._mistake)
            self._node = node = mailbox.Node(worker.hostname, state=worker.context, channel=channel, handlers=handlers)
            transport = getattr(ctx[TRANSPORT], "current", ctx[TRANSPORT])
            if hasattr(transport, "expiring"):
                node.reply = _expiring(node, transport.expiring, app.conf.control_queue_expires)
            elif hasattr(transport, "attended"):  # who asks does not learn from the broker how many will answer
                node.reply = naming(node, partial(_known, worker))
            self._consumer = node.Consumer(callbacks=[self._on_message], on_decode_error=self._on_undecodable)
            self._consumer.consume()
        except self._lost as error:
            raise BrokerLost(f"control mailbox: {error}") from error

    def stop(self, ctx: Context) -> None:
        """Close the mailbox; a revoke may be missed until the next one."""
        notes = ctx.get(NOTES)
        if notes is not None:
            notes.stale()
        node, self._node = self._node, None
        consumer, self._consumer = self._consumer, None
        with contextlib.suppress(*self._lost):
            if consumer is not None:
                consumer.cancel()
            if node is not None:
                node.channel.close()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return how many messages were taken, could not be read, and raised."""
        return {"answered": self._answered, "malformed": self._malformed, "failed": self._failed}

    def _on_message(self, body: Any, message: Any) -> None:
        if not _is_command(body):
            self._on_undecodable(message, ValueError("it is no command"))
            return
        body = {key: value for key, value in body.items() if isinstance(key, str)}
        self._answered += 1
        try:
            self._node.handle_message(body, message)
        except self._lost as error:
            raise BrokerLost(f"control reply: {error}") from error
        except Exception as error:  # noqa: BLE001 - a field of the wrong shape can break kombu's code anywhere
            self._on_undecodable(message, error)

    def _on_undecodable(self, message: Any, error: Exception) -> None:
        self._malformed += 1
        log.error("a control message cannot be read, and is dropped: %s: %s", type(error).__name__, error)

    def _mistake(self) -> None:
        self._failed += 1


def _expiring(node: Any, expiring: Callable[..., Any], seconds: float) -> Callable[..., None]:
    """Return the node's `reply`, whose replies vanish after so many seconds where nobody is there to take them."""
    send = node.reply

    def reply(data: Any, exchange: str, routing_key: str, ticket: str, **more: Any) -> None:
        with expiring(node.channel, f"{routing_key}.{exchange}", seconds):  # the queue's name, in kombu/pidbox.py
            send(data, exchange, routing_key, ticket, **more)

    return reply


def _known(worker: WorkerHandle) -> list[str]:
    """Return the names of the nodes that this one knows of, its own too; none where it does not know."""
    cluster = worker.context.get(GOSSIP)
    return [worker.hostname, *(one.hostname for one in cluster.members())] if cluster is not None else []


def _is_command(body: Any) -> bool:
    """Tell whether a decoded body has the shape of a command (kombu/pidbox.py, Mailbox._publish)."""
    if not isinstance(body, Mapping) or not isinstance(body.get("method"), str):
        return False
    arguments, destination, reply_to = body.get("arguments"), body.get("destination"), body.get("reply_to")
    return (
        (arguments is None or (isinstance(arguments, Mapping) and all(isinstance(name, str) for name in arguments)))
        and (destination is None or isinstance(destination, list | tuple))
        and (reply_to is None or (isinstance(reply_to, Mapping) and {"exchange", "routing_key"} <= set(reply_to)))
    )
