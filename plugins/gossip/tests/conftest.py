"""A broker in memory with a worker's end of it, and events that others send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.events.event import event, exchange, routing_key
from kernelq.kernel.keys import Context
from kernelq.keys import APP, CONNECTION, EVENTS, LOOP, STATE, TRANSPORT, WORKER
from kernelq_gossip.gossip import Gossip
from kernelq_gossip.settings import GossipSettings
from kernelq_testkit.leftovers import CountingLoop

NODE = "w1@test"


class Revokes:
    """A worker's memory, as far as it is looked at."""

    def __init__(self) -> None:
        self.revoked: dict[str, float] = {}

    def revoke(self, task_ids: Any) -> None:
        self.revoked.update(dict.fromkeys(task_ids, 1.0))


class Scene:
    """What the steps find in a worker, and the others that it hears."""

    def __init__(self, loop: CountingLoop, **settings: Any) -> None:
        self.app = KernelQ("t", broker="memory://", backend=None, **settings)
        self.app.conf.section(GossipSettings)
        self.connection = self.app.transport.connection()
        self.speaking = self.app.transport.connection()
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.loop = loop
        self.context = Context(
            {
                APP: self.app,
                WORKER: SimpleNamespace(hostname=NODE, pid=1, stopping=None),
                TRANSPORT: self.app.transport,
                CONNECTION: self.connection,
                STATE: Revokes(),
                LOOP: loop,
                EVENTS: SimpleNamespace(send=lambda kind, **fields: self.sent.append((kind, fields))),
            }
        )

    def say(self, kind: str, hostname: str = "w2@test", clock: Any = 5, **fields: Any) -> None:
        """Send an event as another worker does, and let it come in."""
        body = {**event(kind, hostname, 22, clock), "freq": 2.0, **fields}
        self.publish(body, routing_key(kind))

    def publish(self, body: Any, key: str, **options: Any) -> None:
        """Send anything to the exchange of events, and let it come in."""
        with self.speaking.Producer() as producer:
            producer.publish(body, exchange=exchange(self.speaking), routing_key=key, **options)
        self.drain()

    def drain(self) -> None:
        try:
            while True:
                self.connection.drain_events(timeout=0.02)
        except TimeoutError:
            return

    def silence(self, worker: Any) -> None:
        """Have the last event of a worker be of long ago."""
        worker.heartbeats[:] = [time.time() - 10]

    def close(self) -> None:
        self.connection.release()
        self.speaking.release()
        self.app.close()


@pytest.fixture
def make_scene(counting_loop: CountingLoop) -> Iterator[Any]:
    """A function that makes a scene with settings."""
    made: list[Scene] = []

    def make(**settings: Any) -> Scene:
        made.append(Scene(counting_loop, **settings))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture
def counting_loop() -> Iterator[CountingLoop]:
    """A loop that knows its live timers."""
    loop = CountingLoop()
    yield loop
    loop.close()


@pytest.fixture
def scene(make_scene: Any) -> Scene:
    """A scene with default settings."""
    return make_scene()


@pytest.fixture
def gossip(scene: Any) -> Iterator[Gossip]:
    """The step, started."""
    step = Gossip()
    step.start(scene.context)
    yield step
    step.stop(scene.context)
