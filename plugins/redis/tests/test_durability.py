from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError
from kernelq_redis.durability import Durability, durability
from kernelq_redis.transport import RedisTransport
from kernelq_redis.wire import ReplyError
from kernelq_testkit.messages import message, messages
from kernelq_testkit.waiting import eventually


@pytest.fixture
def sender():
    made = []

    def make(server, **options):
        settings = SimpleNamespace(broker_connection_timeout=2.0, broker_transport_options=options)
        made.append(RedisTransport(server.url, settings).sender())
        return made[-1]

    yield make
    for sender in made:
        sender.close()


def test_levels_by_their_options():
    assert durability({}, 4.0).command is None
    assert ("WAITAOF", 1, 0, 3200) == durability({"confirm": "fsync"}, 4.0).command
    assert ("WAIT", 2, 3200) == durability({"confirm": "replica", "confirm_replicas": 2}, 4.0).command
    for wrong in ({"confirm": "disk"}, {"confirm": "replica", "confirm_replicas": 0}, {"confirm_replicas": True}):
        with pytest.raises(ConfigurationError, match="broker_transport_options: confirm"):
            durability(wrong, 4.0)


def test_what_was_reached_is_judged():
    """WAITAOF answers with local and replicated copies, WAIT with replicas."""
    Durability("fsync").judge([1, 0])
    Durability("replica", 2).judge(2)
    with pytest.raises(BrokerUnreachable, match="on 1 of 2 replicas"):
        Durability("replica", 2).judge(1)
    with pytest.raises(BrokerUnreachable, match="its disk not in time"):
        Durability("fsync").judge([0, 0])
    with pytest.raises(BrokerUnreachable, match="cannot confirm"):
        Durability("fsync").judge(ReplyError("ERR no"))


def test_fsync_is_refused_where_nothing_is_written(start_server, sender):
    """Before anything is sent, and in words."""
    server = start_server("--appendonly", "no")
    with pytest.raises(ConfigurationError, match="needs Redis 7.2 with appendonly yes"):
        sender(server, confirm="fsync").publish(message("q"))
    with server.client() as client:
        assert 0 == client.dbsize()


def test_fsync_on_a_server_that_always_does(start_server, sender):
    """Any release: its answer to a write comes after the disk's."""
    server = start_server("--appendonly", "yes", "--appendfsync", "always")
    confirmed = sender(server, confirm="fsync")
    confirmed.publish(message("q"))
    confirmed.publish_many(messages("q", 3))
    server.kill()
    server.start()
    with server.client() as client:
        assert 4 == client.llen("q\x06\x169")


def test_replicas_confirm(start_server, sender):
    """With one it goes through; without one it raises, and is not sent twice when the caller comes again."""
    server = start_server()
    replica = start_server("--replicaof", f"127.0.0.1 {server.port}")
    with server.client() as client:
        eventually(lambda: 1 == client.info("replication")["connected_slaves"], 30)
        eventually(lambda: "online" == client.info("replication")["slave0"]["state"], 30)
        confirmed = sender(server, confirm="replica")
        eventually(lambda: _published(confirmed), 30)
        count = client.llen("q\x06\x169")
        replica.kill()
        eventually(lambda: 0 == client.info("replication")["connected_slaves"], 30)
        sent = message("q")
        for _ in range(2):
            with pytest.raises(BrokerUnreachable, match="on 0 of 1 replicas"):
                confirmed.publish(sent)
        assert count + 1 == client.llen("q\x06\x169")


def _published(sender):
    try:
        sender.publish(message("q"))
    except BrokerUnreachable:  # a replica that has just come may not have said yet how far it is
        return False
    return True
