from __future__ import annotations

import threading
from importlib.metadata import entry_points
from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import ConfigurationError, Unreachable
from kernelq.outcome import Record
from kernelq_redis.backend import RedisBackend
from kernelq_redis.transport import RedisTransport
from kernelq_testkit.messages import message
from kernelq_testkit.waiting import eventually


@pytest.mark.parametrize("scheme", ["redis", "rediss", "sentinel", "redis+socket", "unix"])
def test_every_scheme_names_the_plugin(scheme):
    for group, cls in (("kernelq.transports", RedisTransport), ("kernelq.backends", RedisBackend)):
        (found,) = entry_points(group=group, name=scheme)
        assert cls is found.load()


def test_no_password_is_shown():
    transport = RedisTransport("redis://me:hush@h:1/2")
    shown = [transport.safe_url(), repr(transport), repr(vars(transport)), RedisBackend("redis://:hush@h").safe_url()]
    assert ["redis://me:**@h:1/2", "redis://:**@h:6379/0"] == [shown[0], shown[3]]
    assert "hush" not in "".join(shown).replace(transport.url, "")


def test_a_wrong_url_is_told_before_anything_connects():
    with pytest.raises(ConfigurationError, match="result_backend: "):
        RedisBackend("redis://h/x")
    with pytest.raises(ConfigurationError, match="broker_url: "):
        RedisTransport("redis://h/x")


@pytest.mark.slow
def test_senders_and_waiting_clients_follow_a_failover(start_server, start_sentinel):
    """The master dies, a replica is promoted: what is sent and stored then arrives there, and wakes who waits."""
    master = start_server()
    replica = start_server("--replicaof", f"127.0.0.1 {master.port}")
    sentinel = start_sentinel(master)
    url = f"sentinel://127.0.0.1:{sentinel.port}/0"
    options = {"master_name": "kq"}
    settings = SimpleNamespace(
        broker_connection_timeout=2.0, broker_transport_options=options, result_backend_transport_options=options,
        redis_socket_timeout=60.0,
    )  # fmt: skip
    sender, backend = RedisTransport(url, settings).sender(), RedisBackend(url, settings)
    sender.publish(message("q"))
    found = {}
    waiter = threading.Thread(target=lambda: found.update(backend.wait(["a"], 120)))
    waiter.start()
    with master.client() as client, sentinel.client() as asked, replica.client() as after:
        eventually(lambda: client.pubsub_channels("celery-task-meta-a"), 30)
        eventually(lambda: "up" == after.info("replication").get("master_link_status"), 30)
        eventually(lambda: asked.sentinel_slaves("kq"), 30)
        master.kill()
        sent = message("q", id="sent")
        eventually(lambda: _done(lambda: sender.publish(sent)), 90)
        eventually(
            lambda: _done(lambda: backend.store_many([Record("a", "SUCCESS", b'{"status": "SUCCESS"}', 60)])), 90
        )
        assert 2 == after.llen("q\x06\x169")
    waiter.join(60)
    assert {"a": b'{"status": "SUCCESS"}'} == found
    sender.close()
    backend.close()


def _done(call):
    try:
        call()
    except Unreachable:
        return False
    return True
