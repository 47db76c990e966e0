"""An event's common fields and its way, beside those of Celery's own code."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from celery.events import event as celerys
from celery.utils.time import utcoffset as celerys_utcoffset

from kernelq.events import event


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch):
    """A function that moves the process to a time zone."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "behind"), [("UTC", 0.0), ("XXX-2", -2.0), ("XXX-5:30", -5.5), ("XXX+3", 3.0), ("XXX-1YYY-2,0,364", -2.0)]
)
def test_the_offset_is_in_hours_west_of_utc(zone, name, behind):
    """East is negative; the wrong sign would shift every time that Flower shows."""
    zone(name)

    assert behind == event.utcoffset()
    assert celerys_utcoffset() == event.utcoffset()


def test_every_event_has_the_common_fields():
    before = time.time()
    made = event.event("task-sent", "w1@h", 7, 41, uuid="a", queue="q")

    assert before <= made.pop("timestamp") <= time.time()
    assert {
        "type": "task-sent", "hostname": "w1@h", "pid": 7, "clock": 41, "uuid": "a", "queue": "q",
        "utcoffset": event.utcoffset(),
    } == made  # fmt: skip


def test_a_timestamp_that_is_given_stays():
    assert 12.5 == event.event("x-y", "h", 1, 1, timestamp=12.5)["timestamp"]


@pytest.mark.parametrize("type", ["task-sent", "worker-elect-ack", "custom", "a-b-c"])
def test_groups_are_those_of_celery(type):
    assert celerys.group_from(type) == event.group(type)


def test_keys_have_dots_where_types_have_dashes():
    assert "worker.elect.ack" == event.routing_key("worker-elect-ack")
    assert "task.multi" == event.list_key("task")


@pytest.mark.parametrize("driver", ["amqp", "redis", "memory", "sqlite", "gcpubsub", "sql", "filesystem"])
def test_the_exchange_is_that_of_celery(driver):
    connection = SimpleNamespace(transport=SimpleNamespace(driver_type=driver))
    theirs, ours = celerys.get_exchange(connection, "other"), event.exchange(connection, "other")

    assert (theirs.name, theirs.type, theirs.durable) == (ours.name, ours.type, ours.durable)
    assert event.EXCHANGE == celerys.EVENT_EXCHANGE_NAME
