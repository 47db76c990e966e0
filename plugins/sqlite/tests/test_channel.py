from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kombu import Consumer as KombuConsumer
from kombu import Exchange, Producer, Queue
from kombu.asynchronous import Hub
from kombu.pidbox import Mailbox

from kernelq.kernel.errors import BrokerLost

PEER = Path(__file__).with_name("peer.py")


@pytest.fixture
def connect(transport):
    """Make kombu connections, and close them with the test."""
    made = []

    def make():
        made.append(transport.connection())
        return made[-1]

    yield make
    for connection in made:
        connection.release()


def rows(url, query):
    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def tables(url):
    """What is left of queues, bindings and messages."""
    return {table: rows(url, f"SELECT count(*) FROM {table}")[0][0]
            for table in ("queue", "binding", "message", "ready", "owner")}  # fmt: skip


@pytest.fixture
def node(url):
    """A process that answers a mailbox as a worker does."""
    process = subprocess.Popen(
        [sys.executable, str(PEER), "mailbox", url], stdout=subprocess.PIPE, text=True, cwd=PEER.parent
    )
    assert "up" == process.stdout.readline().strip()
    yield process
    process.kill()
    process.communicate()


@pytest.mark.usefixtures("only_bells")
def test_a_real_mailbox_between_processes(connect, node, url):
    """A ping is answered by a worker's loop in another process, at once, and no reply queue stays."""
    connection = connect()
    box = Mailbox("test", type="fanout", accept=["json"])(connection)
    for _ in range(5):
        assert [{"node1@here": {"pong": node.pid}}] == box.multi_call("ping", timeout=30, limit=1)
    connection.release()
    node.kill()
    node.wait()
    assert {"message": 0, "ready": 0} == {key: tables(url)[key] for key in ("message", "ready")}


def test_the_queues_of_a_killed_client_vanish(connect, node, url, transport, consume):
    """Nobody has to expire them: the kernel frees the client's lease, and a look clears its queues away."""
    assert 1 == tables(url)["binding"]
    node.kill()
    node.wait()
    consume().loop.until(lambda: not any(tables(url)[key] for key in ("binding", "message", "ready")))
    assert [("q",)] == rows(url, "SELECT name FROM queue")


@pytest.mark.parametrize("kind", ["fanout", "topic"])
def test_events_reach_every_consumer(connect, kind):
    """Each queue that is bound to an exchange gets its copy, in order."""
    exchange = Exchange("celeryev", kind, durable=False)
    got = {0: [], 1: []}
    receivers = [connect(), connect()]
    for number, connection in enumerate(receivers):
        queue = Queue(f"celeryev.{number}", exchange, routing_key="#", auto_delete=True, durable=False)
        consumer = KombuConsumer(connection.channel(), [queue], no_ack=True, accept=["json"])
        consumer.register_callback(lambda body, _, number=number: got[number].append(body))
        consumer.consume()
    producer = Producer(connect().channel(), exchange)
    for n in range(5):
        producer.publish({"n": n}, routing_key="task.sent", headers={"hostname": "here"}, serializer="json")
    for connection in receivers:
        for _ in range(5):
            connection.drain_events(timeout=30)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.05)
    assert [{"n": n} for n in range(5)] == got[0] == got[1]


def test_a_topic_selects(connect):
    exchange = Exchange("topics", "topic", durable=False)
    connection, got = connect(), []
    queue = Queue("mine", exchange, routing_key="worker.*", auto_delete=True)
    consumer = KombuConsumer(connection.channel(), [queue], no_ack=True, accept=["json"])
    consumer.register_callback(lambda body, _: got.append(body))
    consumer.consume()
    producer = Producer(connect().channel(), exchange)
    for key in ("task.sent", "worker.online", "worker.a.b"):
        producer.publish(key, routing_key=key, serializer="json")
    connection.drain_events(timeout=30)
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.05)
    assert ["worker.online"] == got


def test_an_event_that_nobody_wants_is_not_stored(connect, url):
    producer = Producer(connect().channel(), Exchange("celeryev", "topic", durable=False))
    producer.publish({"type": "worker-heartbeat"}, routing_key="worker.heartbeat", serializer="json")
    assert 0 == tables(url)["message"]


@pytest.mark.usefixtures("only_bells")
def test_a_blocking_consumer_sleeps_until_it_is_rung(connect):
    """`drain_events` returns when another connection publishes, and uses no processor meanwhile."""
    connection, got = connect(), []
    consumer = KombuConsumer(connection.channel(), [Queue("sleepy", auto_delete=True)], no_ack=True, accept=["json"])
    consumer.register_callback(lambda body, _: got.append(body))
    consumer.consume()
    producer = Producer(connect().channel())
    timer = threading.Timer(0.5, lambda: producer.publish("wake", routing_key="sleepy", serializer="json", retry=False))
    used = time.process_time()
    timer.start()
    connection.drain_events(timeout=60)
    timer.join()
    assert ["wake"] == got
    assert time.process_time() - used < 0.3, "it span"


def test_kombus_hub_delivers_from_the_loop(connect):
    """`register_with_event_loop` works with kombu's own Hub."""
    connection, got, hub = connect(), [], Hub()
    consumer = KombuConsumer(connection.channel(), [Queue("hubbed", auto_delete=True)], no_ack=True, accept=["json"])
    consumer.register_callback(lambda body, _: got.append(body))
    consumer.consume()
    connection.register_with_event_loop(hub)
    producer = Producer(connect().channel())
    for n in range(3):
        producer.publish(n, routing_key="hubbed", serializer="json")
    end = time.monotonic() + 30
    loop = hub.loop
    while len(got) < 3 and time.monotonic() < end:
        next(loop)
    assert [0, 1, 2] == got
    connection.release()
    hub.close()


@pytest.mark.usefixtures("only_bells")
def test_a_task_from_a_kombu_producer_reaches_the_lane(connect, consume):
    """Celery's clients publish through kombu; lanes take it from the same tables, and are rung."""
    consumer = consume()
    consumer.loop.run(0.1)
    producer = Producer(connect().channel())
    producer.publish(
        [[1], {}, {}], routing_key="q", serializer="json", headers={"task": "t", "id": "7"}, priority=9,
        correlation_id="7", declare=[Queue("q")],
    )  # fmt: skip
    (delivery,) = consumer.wait(1)
    assert ({"task": "t", "id": "7"}, b"[[1], {}, {}]") == (delivery.headers, delivery.body)
    assert ("application/json", "utf-8") == (delivery.content_type, delivery.content_encoding)
    assert ("7", 9) == (delivery.properties["correlation_id"], delivery.properties["priority"])


def test_messages_past_their_time_are_not_shown(connect, url):
    """A queue's `x-message-ttl` ends its messages."""
    connection, got = connect(), []
    queue = Queue("short", auto_delete=True, message_ttl=60, expires=60)
    consumer = KombuConsumer(connection.channel(), [queue], no_ack=True, accept=["json"])
    consumer.register_callback(lambda body, _: got.append(body))
    consumer.consume()
    producer = Producer(connect().channel())
    producer.publish("old", routing_key="short", serializer="json")
    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    assert (
        1 == db.execute("UPDATE message SET expires=? WHERE expires > ?", (time.time() - 1, time.time() + 1)).rowcount
    )
    db.commit()
    db.close()
    producer.publish("new", routing_key="short", serializer="json")
    connection.drain_events(timeout=30)
    assert ["new"] == got
    assert 0 == tables(url)["message"]


def test_an_unused_queue_expires_with_its_messages(connect, url, monkeypatch, consume):
    """`x-expires` counts from the last consumer, in any process's look."""
    monkeypatch.setattr("kernelq_sqlite.recovery._TIDY_EVERY", 0.1)
    connection = connect()
    channel = connection.channel()
    Queue("reply", expires=0.2).bind(channel).declare()
    Producer(channel).publish("lost reply", routing_key="reply", serializer="json")
    assert 1 == tables(url)["message"]
    consume().loop.until(lambda: [("q",)] == rows(url, "SELECT name FROM queue"))
    assert (0, 0) == (tables(url)["message"], tables(url)["ready"])


def test_unacknowledged_messages_go_back_when_the_channel_closes(connect):
    connection, got = connect(), []
    consumer = KombuConsumer(connection.channel(), [Queue("work")], accept=["json"])
    consumer.register_callback(lambda body, message: got.append(body))
    consumer.consume()
    Producer(connect().channel()).publish("x", routing_key="work", serializer="json")
    connection.drain_events(timeout=30)
    connection.release()
    assert "x" == connect().SimpleQueue("work").get(timeout=30).payload
    assert ["x"] == got


def test_a_connection_whose_lease_ended_says_so(connect, url):
    """A client that was stopped for so long that its queues are gone must connect again, not wait for ever."""
    connection = connect()
    KombuConsumer(connection.channel(), [Queue("mine", auto_delete=True)], no_ack=True).consume()
    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    db.execute("DELETE FROM owner")
    db.commit()
    db.close()
    with pytest.raises(BrokerLost, match="connect again"):
        connection.drain_events(timeout=30)


def test_a_closed_connection_leaves_nothing(connect, url):
    connection = connect()
    exchange = Exchange("e", "fanout", durable=False)
    queue = Queue("mine", exchange, auto_delete=True)
    KombuConsumer(connection.channel(), [queue], no_ack=True).consume()
    Producer(connect().channel(), exchange).publish("x", serializer="json")
    assert {"queue": 1, "binding": 1, "message": 1, "ready": 1, "owner": 1} == tables(url)
    connection.release()
    assert {"queue": 0, "binding": 0, "message": 0, "ready": 0, "owner": 0} == tables(url)
