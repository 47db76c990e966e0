"""A worker of the test's own beside Celery's receiver, on each broker; and the plugin's parts alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Exchange

from kernelq import KernelQ
from kernelq.kernel.keys import Context
from kernelq.keys import APP, CONNECTION, EVENTS, REQUESTS, STATE, TRANSPORT, WORKER
from kernelq_events.dispatching import EventDispatcher
from kernelq_events.keys import COURIER
from kernelq_testkit.leftovers import CountingLoop

REDIS = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
AMQP = os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")


class Scene:
    """An app whose names on the broker are the test's own, and a Celery app that knows them."""

    def __init__(self, broker: str, **settings: Any) -> None:
        self.name = f"kqt-{uuid4().hex[:10]}"
        names = {"event_exchange": f"{self.name}.ev", "control_exchange": self.name}
        options = {"global_keyprefix": f"{self.name}:"} if broker.startswith("redis") else {}
        self.app = KernelQ(
            "t",
            broker=broker,
            backend="disabled://",
            broker_transport_options=options,
            task_default_queue=f"{self.name}.q",
            **names,
            **settings,
        )
        self.celery = Celery("t", set_as_current=False)
        self.celery.conf.update(names)

    def close(self) -> None:
        """Remove what stays on the broker."""
        if self.app.conf.broker_url == AMQP:
            with self.app.transport.connection() as connection:
                channel = connection.default_channel
                for name in (f"{self.name}.ev", f"{self.name}.pidbox"):
                    Exchange(name, channel=channel).delete()
                for name in (f"{self.name}.q", f"{self.name}.q.dead"):
                    channel.queue_delete(name)
        if self.app.conf.broker_url == REDIS:
            import redis

            with redis.Redis.from_url(REDIS) as client:
                for key in client.scan_iter(f"{self.name}:*"):
                    client.delete(key)
        self.app.close()
        self.celery.close()


@pytest.fixture
def make_scene() -> Iterator[Callable[..., Scene]]:
    """A function that makes scenes by URL."""
    made: list[Scene] = []

    def make(broker: str = "memory://", **settings: Any) -> Scene:
        made.append(Scene(broker, **settings))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture(
    params=[pytest.param("redis", marks=pytest.mark.broker), pytest.param("amqp", marks=pytest.mark.broker),
            "sqlite", "memory"]
)  # fmt: skip
def scene(request: pytest.FixtureRequest, make_scene: Callable[..., Scene], tmp_path: Path) -> Scene:
    """One on each broker."""
    urls = {"redis": REDIS, "amqp": AMQP, "sqlite": f"sqlite:///{tmp_path / 'kernelq.db'}", "memory": "memory://"}
    return make_scene(urls[request.param])


@pytest.fixture
def counting_loop() -> Iterator[CountingLoop]:
    """A loop that knows its live timers."""
    loop = CountingLoop()
    yield loop
    loop.close()


class Requests:
    """Stands for the ledger."""

    def __init__(self) -> None:
        self.watchers: list[Any] = []

    def watch(self, watcher: Any) -> None:
        self.watchers.append(watcher)

    def unwatch(self, watcher: Any) -> None:
        self.watchers.remove(watcher)

    def active(self) -> list[Any]:
        return [1, 2]


@pytest.fixture
def make_context() -> Callable[..., Context]:
    """A function that makes what the steps read, for an app."""

    def make(app: KernelQ) -> Context:
        context = Context()
        worker: Any = SimpleNamespace(hostname="w1@h", pid=4711, stopping=None, context=context)
        values: dict[Any, Any] = {
            APP: app, WORKER: worker, TRANSPORT: app.transport, REQUESTS: Requests(), CONNECTION: None,
            STATE: SimpleNamespace(totals={"a": 3, "b": 4}),
        }  # fmt: skip
        for key, value in values.items():
            context[key] = value
        return context

    return make


@pytest.fixture
def dispatching(make_scene: Callable[..., Scene], make_context: Callable[..., Context]) -> Iterator[Context]:
    """What the steps read, the events among it; the broker is in memory, and nothing has been attached."""
    context = make_context(make_scene().app)
    step = EventDispatcher()
    step.start(context)
    yield context
    step.stop(context)


@pytest.fixture
def waiting(dispatching: Context) -> Callable[[], list[Any]]:
    """A function that returns what waits in `dispatching`, as (key, events)."""

    def taken() -> list[Any]:
        backlog = dispatching[EVENTS]._backlog
        found = []
        while (one := backlog.take(1_000)) is not None:
            found.append(one)
        return found

    assert dispatching[COURIER] is not None
    return taken
