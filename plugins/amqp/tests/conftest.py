"""A real RabbitMQ for the tests, and one of their own for what harms a broker; a missing one is a failure, no skip."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from collections.abc import Iterator

import pytest
from celery import Celery
from kombu import Connection
from node_rabbitmq import RabbitMQNode

from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import HubLoop


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """Where RabbitMQ answers."""
    return os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")


@pytest.fixture(scope="session", autouse=True)
def drain(amqp_url: str) -> None:
    """Let delayed messages go whose queues are gone when they are due.

    Quorum queues dead-letter at least once: one that reaches no queue is tried again for ever, and thirty-two of them
    hold up everybody's delayed messages.
    """
    with Connection(amqp_url) as connection, connection.channel() as channel:
        channel.exchange_declare("celery_delayed_delivery", "topic", durable=True, auto_delete=False)
        arguments = {"x-max-length": 0, "x-expires": 7_200_000}
        channel.queue_declare("kit-drain", durable=False, exclusive=False, auto_delete=False, arguments=arguments)
        channel.queue_bind("kit-drain", "celery_delayed_delivery", "#")


@pytest.fixture
def amqp_queue(amqp_url: str) -> Iterator[str]:
    """A queue name of the test's own; it, its relatives and their exchanges are deleted afterwards."""
    name = f"kit-{uuid.uuid4().hex[:12]}"
    yield name
    with Connection(amqp_url) as connection:
        for each in (name, f"{name}-other"):
            for queue in (each, f"{each}.dlq", f"{each}.kernelq.losses"):
                with connection.channel() as channel:
                    channel.queue_delete(queue)
                    channel.exchange_delete(queue)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port where nobody answers: it is bound, and nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def loop() -> Iterator[HubLoop]:
    """An event loop that the test turns."""
    loop = HubLoop()
    yield loop
    loop.close()


@pytest.fixture
def transport(amqp_url: str) -> AmqpTransport:
    """A transport on the shared broker, with settings as they come."""
    return AmqpTransport(amqp_url)


@pytest.fixture
def lane(transport: AmqpTransport, loop: HubLoop, amqp_queue: str) -> Iterator[Consuming]:
    """An open lane on the test's queue."""
    consuming = Consuming(transport, loop, amqp_queue)
    yield consuming
    consuming.lane.close()


@pytest.fixture
def celery(amqp_url: str, amqp_queue: str) -> Iterator[Celery]:
    """A Celery app on the test's queue. Celery leaves the connection open that it takes results from; not so here."""
    app = Celery("interop", broker=amqp_url, backend="rpc://", set_as_current=False)
    app.conf.update(task_default_queue=amqp_queue, worker_hijack_root_logger=False)
    yield app
    consumer = app.backend.result_consumer
    if consumer._connection is not None:
        consumer.stop()
    app.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQNode]:
    """A running node of the module's own."""
    folder = tmp_path_factory.mktemp("rabbitmq")
    node = RabbitMQNode(folder)
    try:
        node.start()
        yield node
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)
