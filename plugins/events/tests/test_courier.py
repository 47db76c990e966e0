"""The courier loses nothing uncounted, and holds up nobody."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery_events import celerys_receiver
from node_redis import RedisNode

from kernelq.events.backlog import Backlog
from kernelq.events.event import event
from kernelq_events import courier as module
from kernelq_events.courier import Courier
from kernelq_events.records import encode
from kernelq_testkit.waiting import eventually


@pytest.fixture
def make(make_scene) -> Iterator[Callable[..., tuple[Any, Courier, Backlog]]]:
    """A function that starts a courier for a broker."""
    made: list[Courier] = []

    def make(broker: str = "memory://", most: int = 10_000, **settings: Any) -> tuple[Any, Courier, Backlog]:
        scene, backlog = make_scene(broker, **settings), Backlog(most)
        made.append(Courier(scene.app.transport, scene.app.conf, "w1@h", backlog, encode))
        made[-1].start()
        return scene, made[-1], backlog

    yield make
    for courier in made:
        courier.stop()


@pytest.fixture
def node(tmp_path) -> Iterator[RedisNode]:
    """A Redis of the test's own."""
    node = RedisNode(tmp_path / "redis")
    node.start()
    yield node
    node.kill()


def say(courier: Courier, backlog: Backlog, *numbers: int) -> None:
    for number in numbers:
        backlog.add("task.multi", [made(number)])
        courier.wake()


def say_many(courier: Courier, backlog: Backlog, count: int) -> None:
    for first in range(0, count, 100):
        backlog.add("task.multi", [made(number) for number in range(first, first + 100)])
        courier.wake()


def made(number: int, **more: Any) -> dict[str, Any]:
    return event("task-progress", "w1@h", 1, number + 1, uuid=f"t{number}", number=number, **more)


def numbers(seen: list[dict[str, Any]]) -> list[int]:
    return [one["number"] for one in seen]


def test_nothing_goes_out_before_it_is_attached(make):
    scene, courier, backlog = make()
    with celerys_receiver(scene.app, scene.celery) as seen:
        say(courier, backlog, 1, 2)
        courier.attach()
        seen.wait(2)

        assert [1, 2] == numbers(seen)


@pytest.mark.broker
def test_over_a_restart_of_the_broker_every_event_is_seen_or_counted(make, node):
    """Those before, those while it is away, and those after; the oldest are dropped above the bound."""
    scene, courier, backlog = make(node.url, most=50)
    courier.attach()
    with celerys_receiver(scene.app, scene.celery) as before:
        say(courier, backlog, *range(10))
        before.wait(10)
    node.kill()
    say(courier, backlog, *range(10, 80))
    eventually(lambda: courier._failures > 1, 30, wanted="attempts to connect")
    courier.detach()  # as the consumer does, until it has a broker: here, until somebody listens
    node.start()
    with celerys_receiver(scene.app, scene.celery) as after:
        courier.attach()
        say(courier, backlog, *range(80, 90))
        eventually(lambda: 89 in numbers(after), 30, wanted="the last event")

    assert list(range(10)) == numbers(before)
    assert 90 == len(numbers(before)) + len(numbers(after)) + backlog.dropped
    assert list(range(10 + backlog.dropped, 90)) == numbers(after)
    assert backlog.dropped >= 20


@pytest.mark.broker
def test_a_connection_that_breaks_is_replaced(make, node):
    scene, courier, backlog = make(node.url)
    courier.attach()
    with celerys_receiver(scene.app, scene.celery) as seen:
        say(courier, backlog, 1)
        seen.wait(1)
    node.close_connections()
    with celerys_receiver(scene.app, scene.celery) as seen:
        say(courier, backlog, 2)
        seen.wait(1)

        assert [2] == numbers(seen)


@pytest.mark.broker
def test_a_broker_that_hangs_holds_up_neither_the_worker_nor_its_end(make, node, monkeypatch):
    monkeypatch.setattr(module, "LEAVE", 0.2)
    _, courier, backlog = make(node.url)
    courier.attach()
    say(courier, backlog, 1)
    eventually(lambda: not len(backlog), 30, wanted="an event that is gone")
    os.kill(node._pid(), signal.SIGSTOP)
    try:
        began = time.monotonic()
        say(courier, backlog, *range(1_000))
        courier.stop()
        assert time.monotonic() - began < 5.0
        assert 0 == len(backlog)
    finally:
        os.kill(node._pid(), signal.SIGCONT)
        courier._thread.join(30)
    assert not courier._thread.is_alive()


@pytest.mark.broker
def test_ten_thousand_events_leave_nothing_on_redis(make, node):
    import redis

    scene, courier, backlog = make(node.url)
    courier.attach()
    with celerys_receiver(scene.app, scene.celery) as seen:
        say_many(courier, backlog, 10_000)
        seen.wait(10_000)
        assert list(range(10_000)) == numbers(seen)
    courier.stop()
    say(courier, backlog, 1)  # nobody listens any more

    with redis.Redis.from_url(node.url) as client:
        ours = [key for key in client.scan_iter("*") if not key.endswith(b"_kombu.binding_deadlines")]
        assert [] == ours, "but for kombu's one list of exchanges whose bindings expire, which is the receiver's"


@pytest.mark.broker
def test_ten_thousand_events_leave_no_queue_on_rabbitmq(make):
    scene, courier, backlog = make(os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//"))
    courier.attach()
    with celerys_receiver(scene.app, scene.celery) as seen:
        say_many(courier, backlog, 10_000)
        seen.wait(10_000)
    courier.stop()

    with scene.app.transport.connection() as connection:
        channel = connection.default_channel
        channel.exchange_delete(f"{scene.name}.ev", if_unused=True)  # it would refuse while a queue is bound


def test_the_last_events_go_out_at_the_end(make):
    scene, courier, backlog = make()
    courier.attach()
    with celerys_receiver(scene.app, scene.celery) as seen:
        say(courier, backlog, *range(100))
        courier.stop()
        seen.wait(100)

    assert 0 == backlog.dropped


def test_an_event_that_cannot_be_written_stops_no_other(make, caplog):
    scene, courier, backlog = make()
    with celerys_receiver(scene.app, scene.celery) as seen:
        backlog.add("task.multi", [made(1, text="\ud800")])
        say(courier, backlog, 2)
        courier.attach()
        seen.wait(1)

        assert [2] == numbers(seen)
    eventually(lambda: "events that could not be written are dropped" in caplog.text, 30, wanted="a line in the log")
    assert 1 == backlog.dropped


def test_many_events_cost_few_messages(make, monkeypatch):
    scene, courier, backlog = make()
    with celerys_receiver(scene.app, scene.celery) as seen:
        say(courier, backlog, *range(1_000))
        published = []

        def noted(body: list[Any]) -> bytes:
            published.append(len(body))
            return encode(body)

        monkeypatch.setattr(courier, "_encode", noted)
        courier.attach()
        seen.wait(1_000)

    assert [500, 500] == published


def test_stopping_one_that_never_started_is_fine(make_scene):
    app = make_scene().app
    Courier(app.transport, app.conf, "w1@h", Backlog()).stop()

    assert "kernelq-events" not in {one.name for one in threading.enumerate()}
