"""kombu's connection: the same server, Celery's channels."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import pytest
from kombu import entity
from kombu.messaging import Producer

from kernelq_redis.control import connect
from kernelq_redis.location import locate
from kernelq_redis.transport import RedisTransport


def reaches(connection):
    """Ask the server, and leave nothing open: kombu leaves the pools of a channel to the collector."""
    try:
        connection.connect()
        channel = connection.channel()
        answered = bool(channel.client.ping())
        channel.client.connection_pool.disconnect()
        return answered
    finally:
        connection.release()


def test_login_and_database(start_server):
    server = start_server("--requirepass", "hu/s@h")
    connection = connect(locate(f"redis://:hu%2Fs%40h@127.0.0.1:{server.port}/3"), None)
    assert "3" == connection.virtual_host
    assert "hu/s@h" not in repr(connection)
    assert reaches(connection)


def test_a_unix_socket(start_server, tmp_path):
    path = tmp_path / "r.sock"
    start_server("--unixsocket", str(path), "--requirepass", "hush")
    assert reaches(connect(locate(f"redis+socket://:hush@{path}?virtual_host=2"), None))


def test_tls(tls_server, tls_options):
    settings = SimpleNamespace(broker_use_ssl=tls_options)
    assert reaches(connect(locate(f"redis://127.0.0.1:{tls_server.port}/0", settings), settings))


@pytest.mark.slow
def test_sentinels(start_server, start_sentinel):
    sentinel = start_sentinel(start_server())
    settings = SimpleNamespace(broker_transport_options={"master_name": "kq"})
    url = f"sentinel://127.0.0.1:{sentinel.port};sentinel://127.0.0.1:{sentinel.port}/1"
    assert reaches(connect(locate(url, settings), settings))


def test_broadcasts_go_by_celerys_channels(url, settings, client, prefix):
    """``<prefix>/<db>.<exchange>``, as kombu has it by default; our own options are not handed on."""
    settings.broker_transport_options["confirm"] = "memory"
    transport = RedisTransport(url, settings)
    exchange = entity.Exchange("celery.pidbox", "fanout", durable=False)
    db = client.connection_pool.connection_kwargs["db"]
    with client.pubsub() as listener, transport.connection() as connection:
        listener.subscribe(f"{prefix}/{db}.celery.pidbox")
        assert "subscribe" == listener.get_message(timeout=10)["type"]
        assert "confirm" not in connection.transport_options
        Producer(connection.channel(), exchange).publish({"method": "ping"}, serializer="json")
        lies = json.loads(listener.get_message(timeout=10)["data"])
    assert {"method": "ping"} == json.loads(base64.b64decode(lies["body"]))
