from __future__ import annotations

import base64
import gc
import json
import signal
import socket
import threading
import time

import pytest

from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError
from kernelq_redis.sender import RedisSender
from kernelq_redis.transport import RedisTransport
from kernelq_redis.wire import Wire
from kernelq_testkit.messages import message, messages


@pytest.fixture
def transport(url, settings):
    return RedisTransport(url, settings)


@pytest.fixture
def sender(transport):
    sender = transport.sender()
    yield sender
    sender.close()


def at(server, **options):
    from types import SimpleNamespace

    return RedisTransport(
        server.url, SimpleNamespace(broker_connection_timeout=2.0, broker_transport_options=options)
    ).sender()


class Cut:
    """Lets Redis carry out what a sender writes, and loses the answer, so many times."""

    def __init__(self, monkeypatch, times):
        self.left = times
        talk = Wire.talk

        def cut(wire, data, count):
            replies = talk(wire, data, count)
            if self.left and (b"LPUSH" in data or b"ZADD" in data):
                self.left -= 1
                raise ConnectionResetError("cut by the test")
            return replies

        monkeypatch.setattr(Wire, "talk", cut)


def test_a_message_lies_as_celery_lays_it(sender, client, prefix):
    """kombu's list of the step, kombu's envelope, the queue's binding (kombu/transport/redis.py)."""
    sent = message("q", args=(1,))
    sender.publish(sent)
    (raw,) = client.lrange(f"{prefix}q\x06\x169", 0, -1)
    lies = json.loads(raw)
    assert sent.body == base64.b64decode(lies["body"])
    assert ("application/json", "utf-8") == (lies["content-type"], lies["content-encoding"])
    assert sent.headers == lies["headers"]
    properties = lies["properties"]
    assert {"exchange": "", "routing_key": "q"} == properties["delivery_info"]
    assert ("base64", 9, 2) == (properties["body_encoding"], properties["priority"], properties["delivery_mode"])
    assert sent.id == properties["correlation_id"]
    assert {b"q\x06\x16\x06\x16q"} == client.smembers(f"{prefix}_kombu.binding.q")
    assert {b"q"} == client.smembers(f"{prefix}kq:queues")


@pytest.mark.parametrize(("priority", "key"), [(0, "q\x06\x169"), (3, "q\x06\x166"), (5, "q\x06\x163"), (9, "q")])
def test_priorities_are_lists(sender, client, prefix, priority, key):
    """9 is the most urgent, whose list has the queue's plain name."""
    sender.publish_many([message("q", priority=priority)])
    sender.publish(message("q", priority=priority))
    assert 2 == client.llen(prefix + key)


def test_delayed_messages_wait_in_redis(sender, client, prefix):
    """In the sorted set of their queue; one whose time has come goes to the list."""
    due = time.time() + 100
    sender.publish_many([message("q", eta=due), message("q", eta=due - 200), message("q", eta=due + 1, priority=9)])
    found = client.zrange(f"{prefix}kq:z:{{q}}", 0, -1, withscores=True)
    assert [due, due + 1] == [score for _, score in found]
    assert [b"9", b"0"] == [member.partition(b":")[0] for member, _ in found]
    assert {member for member, _ in found} == set(client.hkeys(f"{prefix}kq:zb:{{q}}"))
    assert 1 == client.llen(f"{prefix}q\x06\x169")


def test_delayed_messages_for_celery_workers(url, settings, client, prefix):
    """``delay="header"`` leaves the waiting to the worker, as Celery does."""
    settings.broker_transport_options["delay"] = "header"
    sender = RedisTransport(url, settings).sender()
    sender.publish(message("q", eta=time.time() + 100))
    sender.close()
    assert 1 == client.llen(f"{prefix}q\x06\x169")
    assert not client.exists(f"{prefix}kq:z:{{q}}")


def test_an_exchange_takes_a_message_to_the_queues_bound_to_it(sender, client, prefix):
    """As kombu's table of bindings has it, topics too; without any, to the queue that is named."""
    sep = "\x06\x16"
    client.sadd(f"{prefix}_kombu.binding.x", f"a.*{sep}^a\\..*?[^\\.]${sep}one", f"a.b{sep}{sep}two", f"c{sep}{sep}no")
    sender.publish(message("q", exchange="x", routing_key="a.b"))
    sender.publish(message("q", exchange="none", routing_key="a.b"))
    assert (1, 1, 0, 1) == tuple(client.llen(f"{prefix}{name}{sep}9") for name in ("one", "two", "no", "q"))


def test_many_messages_keep_their_order(sender, client, prefix):
    """Over transactions and commands that are bounded."""
    sent = messages("q", 1300)
    sender.publish_many(sent)
    raws = client.lrange(f"{prefix}q\x06\x169", 0, -1)
    assert [one.id for one in sent] == [json.loads(raw)["headers"]["id"] for raw in reversed(raws)]


@pytest.mark.parametrize("times", [1, 2])
def test_what_arrived_although_its_answer_was_lost_is_not_sent_twice(sender, client, prefix, monkeypatch, times):
    """The sender looks for it before it sends again, also where the caller comes again with the same message."""
    sender.publish(message("q"))
    for sent in (message("q"), message("q", eta=time.time() + 100)):
        cut = Cut(monkeypatch, times)
        for _ in range(5):
            try:
                sender.publish(sent)
                break
            except BrokerUnreachable:
                pass
        assert 0 == cut.left
        monkeypatch.undo()
    assert (2, 1) == (client.llen(f"{prefix}q\x06\x169"), client.zcard(f"{prefix}kq:z:{{q}}"))
    del sent
    gc.collect()
    sender.publish(message("q"))
    assert 3 == client.llen(f"{prefix}q\x06\x169")


def test_what_is_in_flight_already_is_not_sent_again(sender, client, prefix, monkeypatch):
    """A worker took it before the sender came again."""
    sender.publish(message("q"))
    client.delete(f"{prefix}q\x06\x169")
    talk = Wire.talk

    def taken(wire, data, count):
        talk(wire, data, count)
        monkeypatch.undo()
        client.hset(f"{prefix}kq:alive:{{q}}", "worker", "1")
        client.hset(f"{prefix}kq:u:{{q}}:worker", "7", client.rpop(f"{prefix}q\x06\x169"))
        raise ConnectionResetError("cut by the test")

    monkeypatch.setattr(Wire, "talk", taken)
    sender.publish(message("q"))
    assert 0 == client.llen(f"{prefix}q\x06\x169")


def test_chunks_that_were_sent_are_not_sent_again(sender, client, prefix, monkeypatch):
    """A later transaction fails; when the caller comes again, only the rest goes."""
    monkeypatch.setattr("kernelq_redis.sender.AT_ONCE", 2)
    sent = messages("q", 5)
    talk = Wire.talk
    calls = []

    def third(wire, data, count):
        calls.append(data)
        if len(calls) in (3, 4):
            raise ConnectionResetError("cut by the test")
        return talk(wire, data, count)

    monkeypatch.setattr(Wire, "talk", third)
    with pytest.raises(BrokerUnreachable):
        sender.publish_many(sent)
    monkeypatch.undo()
    assert 4 == client.llen(f"{prefix}q\x06\x169")
    sender.publish_many(sent)
    assert 5 == client.llen(f"{prefix}q\x06\x169")


def test_sixty_four_threads_share_few_connections(url, settings, client, prefix):
    """No message is lost, and no more connections than the setting allows."""
    settings.redis_max_connections = 4
    sender = RedisTransport(url, settings).sender()
    name = f"kq-{prefix[4:14]}"
    sender._pool._name = name
    begin = threading.Barrier(64)
    most = []

    def publish():
        begin.wait(60)
        for _ in range(10):
            sender.publish(message("q"))
        most.append(sum(one["name"] == name for one in client.client_list()))

    threads = [threading.Thread(target=publish) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 640 == client.llen(f"{prefix}q\x06\x169")
    assert 1 <= max(most) <= 4
    sender.close()


def test_a_restarted_server_is_found_again(start_server):
    """The old connections are dead; the first publish goes through on a new one, and declares the queue again."""
    server = start_server()
    sender = at(server)
    sender.publish(message("q"))
    server.kill()
    with pytest.raises(BrokerUnreachable):
        sender.publish(message("q"))
    server.start()
    sender.publish(message("q"))
    with server.client() as client:
        assert (1, {b"q"}) == (client.llen("q\x06\x169"), client.smembers("kq:queues"))
    sender.close()


def test_a_stopped_server_costs_no_more_than_the_timeout(start_server):
    """It accepts, and says nothing: both on a connection that stands and on a new one."""
    server = start_server()
    sender = at(server)
    sender.publish(message("q"))
    server.signal(signal.SIGSTOP)
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(BrokerUnreachable):
            sender.publish(message("q"))
        assert time.monotonic() - started < 2.0 * 1.25 + 2.5
    server.signal(signal.SIGCONT)
    sender.close()


def test_full_memory_is_told(start_server):
    """Redis refuses: nothing is stored, and the error says what to do."""
    server = start_server("--maxmemory", "3mb")
    sender = at(server)
    sender.publish(message("q"))
    with server.client() as client:
        client.config_set("maxmemory", "1mb")
        for publish in (lambda: sender.publish(message("q")), lambda: sender.publish_many(messages("q", 3))):
            with pytest.raises(BrokerUnreachable, match="memory is full"):
                publish()
        assert 1 == client.llen("q\x06\x169")
        client.config_set("maxmemory", "0")
    sender.publish(message("q"))
    sender.close()


def test_wrong_options_are_told(url, settings):
    settings.broker_transport_options["delay"] = "worker"
    with pytest.raises(ConfigurationError, match="delay is broker"):
        RedisTransport(url, settings).sender()


def test_nobody_listens():
    """A port without a server: at once, and without the password."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sender = RedisTransport(f"redis://:hush@127.0.0.1:{port}/0").sender()
    assert isinstance(sender, RedisSender)
    with pytest.raises(BrokerUnreachable) as caught:
        sender.publish(message("q"))
    assert "hush" not in str(caught.value)
    assert f"redis://:**@127.0.0.1:{port}/0" in str(caught.value)


def test_a_server_that_has_become_a_replica_takes_nothing(start_server):
    """It is told at once; when it is master again, the same sender goes on."""
    server = start_server()
    sender = at(server)
    sender.publish(message("q"))
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        for publish in (lambda: sender.publish(message("q")), lambda: sender.publish_many(messages("q", 2))):
            with pytest.raises(BrokerUnreachable, match="READONLY"):
                publish()
        client.execute_command("REPLICAOF", "NO", "ONE")
        sender.publish(message("q"))
        assert 2 == client.llen("q\x06\x169")
    sender.close()


def test_a_priority_beyond_the_scale_is_the_nearest(sender, client, prefix):
    sender.publish_many([message("q", priority=99), message("q", priority=-1)])
    assert (1, 1) == (client.llen(f"{prefix}q"), client.llen(f"{prefix}q\x06\x169"))
