"""Greeting the others on real brokers: who waits, and for whom."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BrokerUnreachable
from kernelq.kernel.keys import Context
from kernelq.keys import APP, LOOP, STATE, TRANSPORT, WORKER
from kernelq_gossip import mingle
from kernelq_gossip.mingle import Mingle

URLS = {
    "memory": "memory://",
    "sqlite": "sqlite:///{folder}/kernelq.db",
    "redis": os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15"),
    "amqp": os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//"),
}
LONG = 60.0
"""Seconds of waiting that a test would notice."""


class Neighbour(threading.Thread):
    """A node with a mailbox that answers hello as Celery's workers do (celery/worker/control.py)."""

    def __init__(self, app: KernelQ, name: str, answer: Any) -> None:
        super().__init__(daemon=True)
        self.asked: list[dict[str, Any]] = []
        self._answer = answer
        self._end, self._listens = threading.Event(), threading.Event()
        self._connection = app.transport.connection()
        mailbox = app.control.mailbox(connection=self._connection)
        node = mailbox.Node(name, channel=self._connection.channel(), handlers={"hello": self._hello})
        node.listen()
        self.start()
        assert self._listens.wait(30)

    def _hello(self, state: Any, **arguments: Any) -> Any:
        self.asked.append(arguments)
        return self._answer

    def run(self) -> None:
        while not self._end.is_set():
            try:
                self._connection.drain_events(timeout=0.1)
            except TimeoutError:
                self._listens.set()  # Redis subscribes when it first looks

    def stop(self) -> None:
        self._end.set()
        self.join()
        self._connection.release()


@pytest.fixture(params=URLS)
def broker(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def app(broker: str, tmp_path: Path) -> Iterator[KernelQ]:
    """An app whose control commands nobody else hears."""
    name = f"kqg-{uuid.uuid4().hex[:10]}"
    with KernelQ("t", broker=URLS[broker].format(folder=tmp_path), backend=None, control_exchange=name) as made:
        yield made
        if broker == "amqp":
            with made.transport.connection() as connection, connection.channel() as channel:
                for exchange in (f"{name}.pidbox", f"reply.{name}.pidbox"):
                    channel.exchange_delete(exchange)


@pytest.fixture
def neighbours(app: KernelQ) -> Iterator[Any]:
    """A function that starts neighbours."""
    started: list[Neighbour] = []

    def start(**answers: Any) -> list[Neighbour]:
        started.extend(Neighbour(app, name, answer) for name, answer in answers.items())
        return started

    yield start
    for one in started:
        one.stop()


def greet(app: KernelQ, *revoked: str) -> Any:
    """Let the step start; return what is revoked then, and who answered."""
    state: dict[str, float] = dict.fromkeys(revoked, 0.0)
    memory = SimpleNamespace(revoked=state, revoke=lambda ids: state.update(dict.fromkeys(ids, 1.0)))
    worker = SimpleNamespace(hostname="w1")
    context = Context({APP: app, TRANSPORT: app.transport, WORKER: worker, STATE: memory, LOOP: None})
    step = Mingle()
    step.start(context)
    return list(state), step.info(context)["nodes"]


def test_nobody_is_waited_for_where_nobody_is(app: KernelQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mingle, "TIMEOUT", LONG)
    began = time.monotonic()

    assert ([], []) == greet(app)

    assert time.monotonic() - began < LONG / 4


def test_others_are_told_our_revokes_and_tell_theirs(
    app: KernelQ, neighbours: Any, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No longer is waited than until all have answered, where the broker tells how many that are."""
    if broker != "amqp":
        monkeypatch.setattr(mingle, "TIMEOUT", LONG)
    started = neighbours(a={"revoked": ["x"], "clock": 500}, b={"revoked": [], "clock": 7})
    began = time.monotonic()

    assert (["r1", "r2", "x"], ["a", "b"]) == greet(app, "r1", "r2")

    assert time.monotonic() - began < LONG / 4
    assert [[{"from_node": "w1", "revoked": ["r1", "r2"]}]] * 2 == [one.asked for one in started]
    assert app.clock.value > 500


def test_a_broker_that_is_away_is_told_at_once() -> None:
    with (
        KernelQ("t", broker="redis://127.0.0.1:1/0", broker_connection_timeout=0.5) as app,
        pytest.raises(BrokerUnreachable),
    ):
        greet(app)
