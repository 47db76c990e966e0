"""What comes in on the exchange of events, and what is let through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kernelq.events.event import event
from kernelq_gossip.inbox import Inbox, queue


@pytest.fixture
def taken() -> list[dict[str, Any]]:
    """What the inbox has handed over."""
    return []


@pytest.fixture
def inbox(scene: Any, taken: list[dict[str, Any]]) -> Iterator[Inbox]:
    made = Inbox(scene.app, scene.connection, taken.append)
    made.open()
    yield made
    made.close()
    made.close()


def test_events_of_workers_come_with_the_time_they_came(scene: Any, inbox: Inbox, taken: Any) -> None:
    scene.say("worker-heartbeat", clock=5)

    ((one,),) = [taken]
    assert ("worker-heartbeat", "w2@test", 5) == (one["type"], one["hostname"], one["clock"])
    assert one["local_received"] >= one["timestamp"]


def test_several_events_may_come_in_one_message(scene: Any, inbox: Inbox, taken: Any) -> None:
    scene.publish([event("worker-online", "a", 1, 1), event("worker-heartbeat", "a", 1, 2)], "worker.multi")

    assert ["worker-online", "worker-heartbeat"] == [one["type"] for one in taken]


def test_events_of_tasks_are_dropped_unread(scene: Any, inbox: Inbox, taken: Any) -> None:
    """Redis delivers them where fanout_patterns is off (celery#1882)."""
    scene.say("task-sent")

    assert ([], 0) == (taken, inbox.malformed)


@pytest.mark.parametrize("body", [None, 7, "text", {}, {"type": 5, "hostname": "a"}, {"type": "worker-online"}, [3]])
def test_what_is_no_event_is_counted_and_ends_nothing(scene: Any, inbox: Inbox, taken: Any, body: Any) -> None:
    scene.publish(body, "worker.heartbeat")
    scene.say("worker-heartbeat")

    assert 1 == inbox.malformed
    assert 1 == len(taken)


def test_bytes_that_cannot_be_decoded_are_counted_and_end_nothing(scene: Any, inbox: Inbox, taken: Any) -> None:
    """Pickle is refused before a byte of it is interpreted."""
    for kind in ("application/json", "application/x-python-serialize", "application/nonsense"):
        bad = b"cos\nsystem\n(S'false'\ntR."
        scene.publish(bad, "worker.heartbeat", content_type=kind, content_encoding="utf-8")
    scene.say("worker-heartbeat")

    assert 3 == inbox.malformed
    assert 1 == len(taken)


def test_the_queue_is_celerys(scene: Any) -> None:
    """celery/events/receiver.py, with the time of gossip.py; the name is new each time."""
    made, other = (queue(scene.app, scene.connection) for _ in range(2))

    assert made.name.startswith("celeryev.")
    assert made.name != other.name
    assert ("worker.#", 2.0, 60.0) == (made.routing_key, made.message_ttl, made.expires)
    assert (True, False, True) == (made.auto_delete, made.durable, made.exclusive)
