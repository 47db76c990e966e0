"""The step Control on a broker in memory, driven by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from kernelq import KernelQ
from kernelq.kernel.keys import Context
from kernelq.keys import APP, CONNECTION, LANE, POOL, QUEUES, REQUESTS, STATE, TRANSPORT, WORKER
from kernelq_control.keys import NOTES
from kernelq_control.notes import Notes
from kernelq_control.step import Control

NODE = "w1@test"


class Wire:
    """A client made of kombu alone, so that what goes over the wire is seen."""

    def __init__(self, app: KernelQ) -> None:
        self.app = app
        self.connection = app.transport.connection()
        self.channel = self.connection.channel()
        self.oid = str(uuid4())
        self.replies: list[tuple[Any, Any]] = []
        exchange = Exchange("reply.celery.pidbox", type="direct", durable=False)
        queue = Queue(f"{self.oid}.reply.celery.pidbox", exchange, routing_key=self.oid, durable=False)
        self.consumer = Consumer(self.channel, [queue], callbacks=[self._on_reply], no_ack=True)
        self.consumer.consume()
        self.mailbox = Exchange("celery.pidbox", type="fanout", durable=False, delivery_mode="transient")
        self.producer = Producer(self.channel, self.mailbox)

    def send(self, body: Any, **options: Any) -> None:
        """Publish to every node's mailbox."""
        self.producer.publish(body, declare=[self.mailbox], headers={"clock": 41, "expires": 0}, **options)

    def drain(self) -> None:
        """Take what has come."""
        _drain(self.connection)

    def _on_reply(self, body: Any, message: Any) -> None:
        self.replies.append((body, message.headers))


class Node:
    """The step, started, with stand-ins for what its commands read."""

    def __init__(self, **settings: Any) -> None:
        self.app = KernelQ("control", broker="memory://", backend="memory://", **settings)
        self.context = Context()
        self.worker = SimpleNamespace(
            hostname=NODE, context=self.context, pid=7, started_at=time.monotonic(), info=dict, shutdown=self._end
        )
        self.connection = self.app.transport.connection()
        self.ended: list[str] = []
        ctx: dict[Any, Any] = {APP: self.app, WORKER: self.worker, CONNECTION: self.connection}
        ctx[TRANSPORT] = self.app.transport
        ctx[STATE] = SimpleNamespace(
            totals={"t.add": 3}, revoked={}, rate_limits={}, time_limits={}, revoke=self._revoke
        )
        ctx[POOL] = SimpleNamespace(concurrency=4, info=lambda: {"max-concurrency": 4}, grow=lambda n: 4 + n)
        ctx[REQUESTS] = SimpleNamespace(active=list, reserved=list, find=lambda task_id: None)
        ctx[QUEUES] = SimpleNamespace(as_dicts=list, pause=lambda names: None)
        ctx[LANE] = SimpleNamespace(info=lambda: {"credit": 1})
        ctx[NOTES] = Notes(self.app, ctx[STATE], ctx[QUEUES])
        for key, value in ctx.items():
            self.context[key] = value
        self.step = Control()
        self.step.start(self.context)
        self.wire = Wire(self.app)

    def call(self, method: str, arguments: Any = None, **more: Any) -> Any:
        """Send a command and return the result that the node replied with."""
        reply_to = {"exchange": "reply.celery.pidbox", "routing_key": self.wire.oid}
        body = {"method": method, "arguments": arguments or {}, "destination": None, "pattern": None, "matcher": None}
        self.wire.send({**body, "ticket": "tick", "reply_to": reply_to, **more}, serializer="json")
        self.drain()
        return self.wire.replies.pop()[0][NODE]

    def drain(self) -> None:
        """Let the node take what has come, then the client."""
        _drain(self.connection)
        self.wire.drain()

    def close(self) -> None:
        self.step.stop(self.context)
        self.wire.connection.release()
        self.connection.release()
        self.app.close()

    def _revoke(self, ids: Any) -> None:
        self.context[STATE].revoked.update(dict.fromkeys(ids, 0.0))

    def _end(self, how: str) -> None:
        self.ended.append(how)


def _drain(connection: Any) -> None:
    try:
        while True:
            connection.drain_events(timeout=0.02)
    except TimeoutError:
        return


@pytest.fixture
def make_node() -> Iterator[Any]:
    """A function that starts a node with the given settings."""
    made: list[Node] = []

    def make(**settings: Any) -> Node:
        made.append(Node(**settings))
        return made[-1]

    yield make
    for node in made:
        node.close()


@pytest.fixture
def node(make_node: Any) -> Node:
    """A node with default settings."""
    return make_node()
