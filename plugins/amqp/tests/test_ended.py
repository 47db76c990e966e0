"""What a worker remembers of the tasks that it ended before its connection was lost."""

from __future__ import annotations

import pytest

from kernelq_amqp import ended as module
from kernelq_amqp.ended import Ended
from kernelq_amqp.flight import Flight
from kernelq_amqp.wire import Came


def flight(task_id: str | None, retries: int = 0) -> Flight:
    headers = {} if task_id is None else {"id": task_id, "retries": retries}
    return Flight(1, "q", "0.1", Came({"application_headers": headers}, b"", True, "", "q"))


@pytest.fixture
def now(monkeypatch):
    """A clock of the test's own."""
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    return clock


def test_the_latest_are_remembered_once_their_connection_is_lost(now):
    """Not while it stands, not those that RabbitMQ has noted long since, and not other tries of the same task."""
    ended = Ended()
    ended.acknowledge([flight("old")])
    now[0] += module.LATELY + 0.1
    ended.acknowledge([flight("new"), flight(None)])
    assert not ended.has(flight("new"))
    ended.lost()
    found = [ended.has(one) for one in (flight("new"), flight("new", 1), flight("old"), flight(None))]
    assert [True, False, False, False] == found


def test_each_loss_has_it_delivered_once_more(now):
    """A third delivery without one is another message under the same id."""
    ended = Ended()
    ended.acknowledge([flight("new")])
    for _ in range(2):
        ended.lost()
        assert [True, False] == [ended.has(flight("new")), ended.has(flight("new"))]


def test_nothing_is_remembered_for_ever(now):
    """Neither what is asked for nor what is not."""
    ended = Ended()
    ended.acknowledge([flight("new")])
    ended.lost()
    now[0] += module.REMEMBERED + 0.1
    assert not ended.has(flight("new"))
    ended.lost()
    assert {} == ended._unsure
