"""A cluster of the test's own on each broker: what Celery's dispatchers send there, and what a receiver takes."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange

from kernelq import KernelQ
from kernelq_testkit.waiting import eventually

REDIS = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
AMQP = os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")


class Cluster:
    """An app, and Celery's dispatcher on the same exchange."""

    def __init__(self, broker: str, **settings: Any) -> None:
        self.name = f"kqt-{uuid.uuid4().hex[:10]}"
        self.names = {"event_exchange": f"{self.name}.ev", "control_exchange": self.name}
        prefix = {"global_keyprefix": f"{self.name}:"} if broker.startswith("redis") else {}
        self.app = KernelQ(
            "t", broker=broker, backend="disabled://", broker_transport_options=prefix, **self.names, **settings
        )
        self.celery = Celery("t", set_as_current=False)
        self.celery.conf.update(self.names)

    @contextlib.contextmanager
    def dispatcher(self, hostname: str = "w1@h") -> Iterator[Any]:
        """Celery's own, over a connection of the app's broker."""
        with (
            self.app.transport.connection() as connection,
            self.celery.events.Dispatcher(connection, hostname=hostname) as dispatcher,
        ):
            yield dispatcher

    @contextlib.contextmanager
    def capturing(self, receiver: Any, **how: Any) -> Iterator[list[BaseException]]:
        """Have `receiver` capture in a thread; yields, once it is connected, a list for what it raises."""
        raised: list[BaseException] = []

        def capture() -> None:
            try:
                receiver.capture(**how)
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                raised.append(error)

        thread = threading.Thread(target=capture)
        thread.start()
        try:
            eventually(lambda: receiver.connected or raised, 30, wanted="a receiver that is connected")
            yield raised
        finally:
            receiver.stop()
            thread.join(30)
            assert not thread.is_alive()

    def close(self) -> None:
        """Remove what stays on the broker."""
        if self.app.conf.broker_url.startswith("amqp"):
            with self.app.transport.connection() as connection:
                for name in self.names.values():
                    Exchange(
                        name if name.endswith(".ev") else f"{name}.pidbox", channel=connection.default_channel
                    ).delete()
        self.app.close()
        self.celery.close()


@pytest.fixture
def make_cluster() -> Iterator[Callable[..., Cluster]]:
    """A function that makes clusters by URL."""
    made: list[Cluster] = []

    def make(broker: str, **settings: Any) -> Cluster:
        made.append(Cluster(broker, **settings))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture
def memory(make_cluster: Callable[..., Cluster]) -> Cluster:
    """One in this process."""
    return make_cluster("memory://")


@pytest.fixture(
    params=[pytest.param("redis", marks=pytest.mark.broker), pytest.param("amqp", marks=pytest.mark.broker),
            "sqlite", "memory"]
)  # fmt: skip
def cluster(request: pytest.FixtureRequest, make_cluster: Callable[..., Cluster], tmp_path: Path) -> Cluster:
    """One on each broker."""
    urls = {"redis": REDIS, "amqp": AMQP, "sqlite": f"sqlite:///{tmp_path / 'kernelq.db'}", "memory": "memory://"}
    return make_cluster(urls[request.param])
