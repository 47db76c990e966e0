"""Events of a dispatcher arrive at Celery's own receiver, whole and in order."""

from __future__ import annotations

import os
import time

import pytest
from celery_events import celerys_receiver
from node_redis import RedisNode

from kernelq.events import event
from kernelq.events.dispatcher import Dispatcher
from kernelq.kernel.errors import Unreachable


def test_an_event_has_what_every_event_has(cluster):
    with celerys_receiver(cluster.app, cluster.celery) as seen, Dispatcher(cluster.app, hostname="w1@h") as dispatcher:
        before = time.time()
        dispatcher.send("task-progress", uuid="t1", done=3)
        seen.wait(1)

    (one,) = seen
    assert before <= one.pop("timestamp") <= one.pop("local_received")
    assert {
        "type": "task-progress", "hostname": "w1@h", "utcoffset": event.utcoffset(), "pid": os.getpid(),
        "clock": cluster.app.clock.value, "uuid": "t1", "done": 3,
    } == one  # fmt: skip


def test_collected_events_go_out_as_a_list_in_order(cluster):
    with (
        celerys_receiver(cluster.app, cluster.celery) as seen,
        Dispatcher(cluster.app, buffer_group={"task"}, buffer_limit=1_000) as dispatcher,
    ):
        for uuid in "abc":
            dispatcher.send("task-received", uuid=uuid)
        dispatcher.send("worker-online", freq=2.0)

        assert ["task-received"] * 3 + ["worker-online"] == seen.wait(4)
    assert ["a", "b", "c"] == [one["uuid"] for one in seen[:3]]
    assert sorted(one["clock"] for one in seen) == [one["clock"] for one in seen]


def test_a_full_buffer_goes_out_by_itself(memory):
    called = []
    with (
        celerys_receiver(memory.app, memory.celery) as seen,
        Dispatcher(
            memory.app, buffer_group={"task"}, buffer_limit=2, on_send_buffered=lambda: called.append(1)
        ) as dispatcher,
    ):
        dispatcher.send("task-received", uuid="a")
        assert ([1], 1) == (called, len(dispatcher.backlog))
        dispatcher.send("task-received", uuid="b")

        assert 2 == len(seen.wait(2))


def test_several_go_out_in_one_message(memory):
    with celerys_receiver(memory.app, memory.celery) as seen, Dispatcher(memory.app) as dispatcher:
        dispatcher.send_many([("task-sent", {"uuid": "a"}), ("task-sent", {"uuid": "b"})])
        dispatcher.send_many([])

        assert ["task-sent", "task-sent"] == seen.wait(2)


def test_other_groups_are_not_sent(memory):
    with celerys_receiver(memory.app, memory.celery) as seen, Dispatcher(memory.app, groups={"worker"}) as dispatcher:
        dispatcher.send("task-received", uuid="a")
        dispatcher.send("worker-online")

        assert ["worker-online"] == seen.wait(1)


def test_a_blind_event_leaves_the_clock_alone(memory):
    with celerys_receiver(memory.app, memory.celery) as seen, Dispatcher(memory.app) as dispatcher:
        dispatcher.send("x-y", blind=True)
        seen.wait(1)

    assert 0 == memory.app.clock.value
    assert 0 < seen[0]["clock"], "the receiver gave it one"


def test_disabled_it_sends_nothing_and_tells_those_who_ask(memory):
    told = []
    with celerys_receiver(memory.app, memory.celery) as seen, Dispatcher(memory.app, enabled=False) as dispatcher:
        dispatcher.on_enabled.add(lambda: told.append("on"))
        dispatcher.on_disabled.add(lambda: told.append("off"))
        dispatcher.send("x-a")
        dispatcher.enable()
        dispatcher.send("x-b")
        dispatcher.disable()
        dispatcher.disable()
        dispatcher.send("x-c")
        dispatcher.enable()
        dispatcher.send("x-d")

        assert ["x-b", "x-d"] == seen.wait(2)
    assert ["on", "off", "on"] == told


def test_a_connection_that_is_given_is_used_and_stays_open(memory):
    with celerys_receiver(memory.app, memory.celery) as seen, memory.app.transport.connection() as connection:
        with Dispatcher(memory.app, connection) as dispatcher:
            dispatcher.send("x-a")
        with Dispatcher(memory.app, channel=connection.default_channel) as dispatcher:
            dispatcher.send("x-b")

        assert ["x-a", "x-b"] == seen.wait(2)
        assert connection.connected


def test_a_producer_of_ones_own_publishes_at_once(memory):
    with (
        celerys_receiver(memory.app, memory.celery) as seen,
        memory.app.transport.connection() as connection,
        Dispatcher(memory.app, enabled=False) as dispatcher,
    ):
        dispatcher.publish("task-sent", {"uuid": "a"}, connection.Producer())

        assert ["task-sent"] == seen.wait(1)


def test_fields_that_cannot_be_written_are_the_callers_error(memory):
    with celerys_receiver(memory.app, memory.celery) as seen, Dispatcher(memory.app) as dispatcher:
        with pytest.raises(Exception, match="not JSON serializable"):
            dispatcher.send("x-a", field=object())
        dispatcher.send("x-b")

        assert ["x-b"] == seen.wait(1)
    assert 1 == dispatcher.dropped


@pytest.mark.broker
def test_while_the_broker_is_away_events_are_kept_and_the_oldest_dropped(make_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("kernelq.events.dispatcher.PAUSE", 0.0)
    node = RedisNode(tmp_path / "redis")
    node.start()
    try:
        cluster = make_cluster(node.url)
        with Dispatcher(cluster.app, most=3) as dispatcher:
            dispatcher.send("x-0")
            node.kill()
            for number in range(5):
                dispatcher.send(f"x-{number}")
            assert (3, 2) == (len(dispatcher.backlog), dispatcher.dropped)
            with pytest.raises(Unreachable):
                dispatcher.flush(raises=True)
            node.start()
            with celerys_receiver(cluster.app, cluster.celery) as seen:
                assert dispatcher.flush()
                assert ["x-2", "x-3", "x-4"] == seen.wait(3)
    finally:
        node.kill()


def test_without_a_buffer_a_missing_broker_raises(make_cluster):
    cluster = make_cluster("redis://127.0.0.1:1/0")
    with Dispatcher(cluster.app, buffer_while_offline=False) as dispatcher, pytest.raises(Unreachable):
        dispatcher.send("x-a")
    assert (0, 1) == (len(dispatcher.backlog), dispatcher.dropped)


def test_a_broker_that_is_away_is_not_asked_again_at_once(make_cluster, monkeypatch):
    """A hanging one would else hold each send for the whole connection timeout."""
    asked = []
    cluster = make_cluster("redis://127.0.0.1:1/0")
    with Dispatcher(cluster.app) as dispatcher:
        dispatcher.send("x-a")
        monkeypatch.setattr("kernelq.events.dispatcher.connect", lambda *_: asked.append(1))
        dispatcher.send("x-b")

    assert ([], 2) == (asked, len(dispatcher.backlog))
