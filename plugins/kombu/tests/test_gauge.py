"""Counting what waits, on real brokers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

from kombu import Connection

from kernelq_kombu.connector import Connector
from kernelq_kombu.gauge import Gauge


@contextmanager
def gauge(url: str) -> Any:
    """A gauge with its connection."""
    connector = Connector(url, None)
    with Connection(url) as connection:
        connection.connect()
        yield Gauge(connection, connector), connection


def test_rabbitmq_counts_and_survives_a_missing_queue(amqp_url: str, amqp_queue: str) -> None:
    with gauge(amqp_url) as (counting, connection):
        assert counting.count([amqp_queue]) is None
        connection.default_channel.queue_declare(amqp_queue, durable=True, auto_delete=False)
        assert 0 == counting.count([amqp_queue])
        for _ in range(3):
            connection.Producer().publish({}, routing_key=amqp_queue, exchange="")
        while counting.count([amqp_queue]) != 3:
            connection.heartbeat_check()
        assert 6 == counting.count([amqp_queue, amqp_queue])


def test_redis_counts(redis_url: str, redis_prefix: str) -> None:
    with gauge(redis_url) as (counting, connection):
        queue = f"{redis_prefix}queue"
        assert 0 == counting.count([queue])
        connection.default_channel._put(queue, {"properties": {"priority": 0}})
        assert 1 == counting.count([queue])
        connection.default_channel._purge(queue)


def test_who_would_say_zero_is_not_asked() -> None:
    """kombu's virtual transports say 0 where they cannot count."""
    with gauge("filesystem://") as (counting, _):
        assert counting.count(["any"]) is None
