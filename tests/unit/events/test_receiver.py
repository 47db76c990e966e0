"""Events of Celery's dispatchers are taken from every broker."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from kombu.pidbox import Mailbox
from node_redis import RedisNode

from kernelq.events.event import utcoffset
from kernelq.events.receiver import Receiver
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_testkit.waiting import eventually


class Seen(list[dict[str, Any]]):
    """What came, to be waited for."""

    def wait(self, count: int) -> list[str]:
        eventually(lambda: len(self) >= count, 30, wanted=f"{count} events; there are {list(self)}")
        return [one["type"] for one in self]


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_events_come_one_by_one_and_in_lists(cluster, seen):
    receiver = cluster.app.events.Receiver(handlers={"*": seen.append})
    with cluster.capturing(receiver) as raised, cluster.dispatcher() as dispatcher:
        dispatcher.send("worker-online", freq=2.0)
        dispatcher.send("task-received", uuid="t1", name="add")
        dispatcher.producer.publish(
            [{"type": "task-started", "uuid": "t1"}, {"type": "task-succeeded", "uuid": "t1"}],
            routing_key="task.multi",
            exchange=dispatcher.exchange.name,
        )

        assert ["worker-online", "task-received", "task-started", "task-succeeded"] == seen.wait(4)
    assert [] == raised
    assert ("w1@h", "t1", "add") == (seen[0]["hostname"], seen[1]["uuid"], seen[1]["name"])


def test_a_handler_is_chosen_by_type(memory, seen):
    others = Seen()
    receiver = memory.app.events.Receiver(handlers={"task-sent": seen.append, "*": others.append})
    with memory.capturing(receiver), memory.dispatcher() as dispatcher:
        for kind in ("task-sent", "task-received"):
            dispatcher.send(kind, uuid="t1")

        assert (["task-sent"], ["task-received"]) == (seen.wait(1), others.wait(1))


def test_a_routing_key_chooses_where_the_broker_can(memory, seen):
    receiver = memory.app.events.Receiver(handlers={"*": seen.append}, routing_key="worker.#")
    with memory.capturing(receiver), memory.dispatcher() as dispatcher:
        dispatcher.send("task-sent", uuid="t1")
        dispatcher.send("worker-online")

        assert ["worker-online"] == seen.wait(1)


def test_it_ends_after_so_many_messages(memory, seen):
    receiver = memory.app.events.Receiver(handlers={"*": seen.append})
    done = threading.Event()

    def capture():
        receiver.capture(limit=2)
        done.set()

    thread = threading.Thread(target=capture)
    thread.start()
    eventually(lambda: receiver.connected, 30, wanted="a connection")
    with memory.dispatcher() as dispatcher:
        for _ in range(3):
            dispatcher.send("worker-heartbeat")
        assert done.wait(30)
    thread.join(30)
    assert 2 == len(seen)


def test_silence_ends_it_where_a_timeout_is_given(memory):
    receiver = memory.app.events.Receiver()

    with pytest.raises(TimeoutError, match=r"no event came within 0\.2 seconds"):
        receiver.capture(timeout=0.2)
    assert not receiver.connected


def test_workers_are_woken_up_unless_they_are_not_to_be(memory):
    """They are asked for a heartbeat at once, so that nobody waits for the next."""
    asked: list[str] = []
    with memory.app.transport.connection() as connection:
        mailbox = Mailbox(memory.name, type="fanout", accept=["json"], queue_exclusive=False)
        node = mailbox(connection).Node("w1@h", channel=connection.default_channel)
        with node.listen(callback=lambda body, message: asked.append(body["method"])):
            for wakeup in (False, True):
                with pytest.raises(TimeoutError):
                    memory.app.events.Receiver().capture(timeout=0.05, wakeup=wakeup)
                asked.append(f"after {wakeup}")
            connection.drain_events(timeout=30)

    assert ["after False", "after True", "heartbeat"] == asked


def test_what_a_handler_raises_ends_the_capture(memory):
    """Also where it looks like a lost broker: that is the handler's, and not the receiver's."""

    def handler(event):
        raise BrokerUnreachable("of the handler's")

    receiver = memory.app.events.Receiver(handlers={"*": handler})
    with memory.capturing(receiver) as raised, memory.dispatcher() as dispatcher:
        dispatcher.send("worker-online")
        eventually(lambda: raised, 30, wanted="an error")

    assert "of the handler's" == str(raised[0])


def test_without_a_broker_it_says_so_at_once(make_cluster):
    cluster = make_cluster("redis://127.0.0.1:1/0", broker_connection_timeout=0.5)

    with pytest.raises(BrokerUnreachable, match="no events can be had from redis://127.0.0.1:1/0"):
        cluster.app.events.Receiver().capture(timeout=5)


class Woken(Receiver):
    """Remembers the connections over which it woke workers up."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.over: list[Any] = []

    def wakeup_workers(self, connection: Any) -> None:
        super().wakeup_workers(connection)
        self.over.append(connection)


@pytest.mark.broker
@pytest.mark.parametrize("cluster", ["redis", "amqp"], indirect=True)
def test_a_connection_that_broke_is_made_again(cluster, seen):
    """What is sent then comes, and workers are woken up again."""
    receiver = Woken(cluster.app, None, {"*": seen.append})
    with cluster.capturing(receiver) as raised, cluster.dispatcher() as dispatcher:
        sever(receiver.over[0])
        eventually(lambda: len(receiver.over) == 2 and receiver.connected, 30, wanted="another connection")
        dispatcher.send("worker-online")
        seen.wait(1)
    assert [] == raised


def sever(connection: Any) -> None:
    """Break a connection as a cable would."""

    def found() -> Any:
        if connection.transport.driver_type == "redis":
            return getattr(connection.default_channel.subclient.connection, "_sock", None)
        return connection.connection.sock

    eventually(found, 30, wanted="a socket that listens")
    found().shutdown(socket.SHUT_RDWR)


@pytest.mark.broker
def test_a_broker_that_was_away_is_waited_for(make_cluster, seen, tmp_path):
    node = RedisNode(tmp_path / "node")
    node.start()
    try:
        cluster = make_cluster(node.url)
        receiver = cluster.app.events.Receiver(handlers={"*": seen.append})
        with cluster.capturing(receiver) as raised:
            node.kill()
            eventually(lambda: not receiver.connected, 60, wanted="a loss that was noticed")
            node.start()
            eventually(lambda: receiver.connected, 60, wanted="a new connection")
            with cluster.dispatcher() as dispatcher:
                dispatcher.send("worker-online")
                seen.wait(1)
        assert [] == raised
    finally:
        node.kill()


def test_a_handler_may_stop_it(memory):
    receiver = memory.app.events.Receiver()
    receiver.handlers["*"] = lambda event: receiver.stop()
    with memory.capturing(receiver), memory.dispatcher() as dispatcher:
        dispatcher.send("worker-online")
        eventually(lambda: not receiver.connected, 30, wanted="the end")


def test_a_connection_or_a_channel_may_be_given(memory, seen):
    with memory.app.transport.connection() as given:
        for one in (given, given.default_channel):
            receiver = Receiver(memory.app, one, {"*": seen.append})
            with memory.capturing(receiver), memory.dispatcher() as dispatcher:
                dispatcher.send("worker-online")
                seen.wait(1)
            seen.clear()


def test_nothing_is_left_on_the_broker(cluster):
    """Neither queue nor binding; the broker is looked at with a receiver's own eyes: its queue is gone."""
    receiver = cluster.app.events.Receiver(node_id="left")
    with cluster.capturing(receiver):
        assert exists(cluster, "celeryev.left")
    assert not exists(cluster, "celeryev.left")


def exists(cluster: Any, name: str) -> bool:
    """Tell whether the broker knows such a queue, or a binding of it."""
    with cluster.app.transport.connection() as connection:
        channel = connection.default_channel
        if cluster.app.conf.broker_url.startswith("redis"):
            bindings = channel.client.smembers(f"_kombu.binding.{cluster.names['event_exchange']}")
            return any(name.encode() in one for one in bindings)
        if cluster.app.conf.broker_url.startswith("amqp"):
            return declared(connection, name)
        return any(name in str(row) for row in channel.get_table(cluster.names["event_exchange"]))


def declared(connection: Any, name: str) -> bool:
    """Tell whether RabbitMQ has a queue; an exclusive one of another connection is there too."""
    try:
        connection.channel().queue_declare(name, passive=True)
    except connection.channel_errors as error:
        return "NOT_FOUND" not in str(error)
    return True


# What is made of an event


def made_of(app: Any, **fields: Any) -> dict[str, Any]:
    _, event = app.events.Receiver().event_from_message({"type": "task-started", **fields})
    return event


def test_the_clock_goes_beyond_that_of_every_event(memory):
    made_of(memory.app, clock=41)
    assert 42 == memory.app.clock.value
    assert 43 == made_of(memory.app)["clock"] == memory.app.clock.value


def test_the_clock_of_a_sender_of_tasks_does_not_count(memory):
    memory.app.clock.value = 10
    _, event = memory.app.events.Receiver().event_from_message({"type": "task-sent", "clock": 9_000})

    assert (9, 10) == (event["clock"], memory.app.clock.value)


def test_the_time_is_corrected_by_the_difference_of_the_offsets(memory):
    """Hours west of UTC, as Celery does it."""
    sent = time.time()

    assert sent == made_of(memory.app, timestamp=sent, utcoffset=utcoffset())["timestamp"]
    assert sent + 7200 == made_of(memory.app, timestamp=sent, utcoffset=utcoffset() - 2)["timestamp"]
    assert "soon" == made_of(memory.app, timestamp="soon", utcoffset=0)["timestamp"]


def test_what_is_no_event_is_passed_over(memory, seen):
    receiver = memory.app.events.Receiver(handlers={"*": seen.append})
    with memory.capturing(receiver), memory.dispatcher() as dispatcher:
        for body in ("text", [1, {"type": 5}], {"no": "type"}, {"type": "worker-online"}):
            dispatcher.producer.publish(body, routing_key="x.y", exchange=dispatcher.exchange.name)

        assert ["worker-online"] == seen.wait(1)
