"""What is published over a connection."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.events.backlog import Backlog
from kernelq.events.outlet import TOGETHER, Outlet, connect
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable


class Producer:
    """Notes what is published, and is lost when told."""

    def __init__(self, survives: int = 1_000) -> None:
        self.published: list[tuple[str, Any]] = []
        self.survives = survives

    def publish(self, body: Any, routing_key: str, **how: Any) -> None:
        written = json.loads(json.dumps(body))
        if len(self.published) >= self.survives:
            raise ConnectionResetError("gone")
        self.published.append((routing_key, written))


@pytest.fixture
def outlet(memory):
    connection = connect(memory.app.transport, 4.0)
    made = Outlet(connection, memory.app.conf, "w1@h")
    yield made
    made.close()


@pytest.fixture
def make_backlog():
    def make(*chunks: tuple[str, list[Any]]) -> Backlog:
        backlog = Backlog()
        for key, events in chunks:
            backlog.add(key, events)
        return backlog

    return make


def drained(outlet: Outlet, backlog: Backlog, producer: Producer) -> list[tuple[str, Any]]:
    outlet._producer = producer
    try:
        outlet.drain(backlog)
    finally:
        outlet._producer = SimpleNamespace()
    return producer.published


def test_lists_are_bounded(outlet, make_backlog):
    published = drained(outlet, make_backlog(("task.multi", list(range(TOGETHER + 1)))), Producer())

    assert [TOGETHER, 1] == [len(body) for _, body in published]


def test_a_lost_broker_loses_nothing(outlet, make_backlog):
    backlog = make_backlog(("worker.online", [1]), ("task.multi", [2, 3]))
    with pytest.raises(BrokerLost):
        drained(outlet, backlog, Producer(survives=1))

    assert [("task.multi", [2, 3])] == drained(outlet, backlog, Producer())
    assert 0 == backlog.dropped


def test_what_cannot_be_written_is_dropped_and_stops_nobody(outlet, make_backlog):
    backlog = make_backlog(("task.multi", [1, object(), 3]), ("x.y", [object()]), ("x.z", [4]))
    producer = Producer()
    with pytest.raises(TypeError):
        drained(outlet, backlog, producer)

    assert [("task.multi", [1]), ("task.multi", [3]), ("x.z", 4)] == producer.published
    assert (0, 2) == (len(backlog), backlog.dropped)


def test_a_broker_lost_amid_what_cannot_be_written(outlet, make_backlog):
    backlog = make_backlog(("task.multi", [1, object(), 3, 4]))
    with pytest.raises(BrokerLost):
        drained(outlet, backlog, Producer(survives=1))

    assert (("task.multi", [3, 4]), 1) == (backlog.take(9), backlog.dropped)


def test_no_broker_is_told_with_its_address_and_without_its_password():
    with (
        KernelQ("t", broker="redis://:geheim@127.0.0.1:1/0", backend="disabled://") as app,
        pytest.raises(BrokerUnreachable, match=r"no events can be sent to redis://:\*\*@127.0.0.1:1/0"),
    ):
        connect(app.transport, 2.0)
