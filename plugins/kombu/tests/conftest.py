"""Real brokers for the tests of the kombu plugin; a missing one is a failure, not a skip."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator

import pytest
from kombu import Connection


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Where Redis answers."""
    return os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/9")


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """Where RabbitMQ answers."""
    return os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """A key prefix of the test's own; its keys are deleted afterwards."""
    import redis

    prefix = f"kit{uuid.uuid4().hex[:12]}:"
    yield prefix
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(f"{prefix}*"):
            client.delete(key)


@pytest.fixture
def amqp_queue(amqp_url: str) -> Iterator[str]:
    """A queue name of the test's own; it, its relatives and their exchanges are deleted afterwards."""
    name = f"kit-{uuid.uuid4().hex[:12]}"
    yield name
    delete_amqp(amqp_url, name)


def delete_amqp(url: str, name: str) -> None:
    """Delete the queues and exchanges that the tests make of one name."""
    with Connection(url) as connection:
        for each in (name, f"{name}-other"):
            for queue in (each, f"{each}.dlq"):
                with connection.channel() as channel:
                    channel.queue_delete(queue)
                    channel.exchange_delete(queue)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port where nobody answers: it is bound, and nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
