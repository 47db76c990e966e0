"""The plugin against the shared contracts: classic and quorum queues, with and without priorities."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kombu import Connection

from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.lane import LaneConformance
from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.machine import TransportMachine
from kernelq_testkit.sender import SenderConformance
from kernelq_testkit.transport import TransportConformance

pytestmark = pytest.mark.broker

QUORUM = {"task_default_queue_type": "quorum", "task_queue_delivery_limit": 1000}
"""Without a limit RabbitMQ puts what is returned to the end of a quorum queue."""


class OnClassic:
    @pytest.fixture
    def queue(self, amqp_queue):
        return amqp_queue

    @pytest.fixture
    def transport_factory(self, amqp_url):
        return lambda: AmqpTransport(amqp_url)


class OnClassicWithPriority(OnClassic):
    @pytest.fixture
    def transport_factory(self, amqp_url):
        return lambda: AmqpTransport(amqp_url, SimpleNamespace(task_queue_max_priority=9))


class OnQuorum(OnClassic):
    @pytest.fixture
    def transport_factory(self, amqp_url):
        return lambda: AmqpTransport(amqp_url, SimpleNamespace(**QUORUM))


class TestSender(OnClassic, SenderConformance):
    @pytest.fixture
    def unreachable_transport(self, free_port):
        return AmqpTransport(f"amqp://guest:secret@127.0.0.1:{free_port}//")


class TestTransport(OnClassic, TransportConformance):
    pass


class TestClassicLane(OnClassic, LaneConformance):
    pass


class TestPriorityLane(OnClassicWithPriority, LaneConformance):
    loop_class = SteppedLoop


class TestQuorumLane(OnQuorum, LaneConformance):
    pass


class Machine(TransportMachine):
    """AMQP tells nobody what others have in flight, nor what was given back from what was lost."""

    counts_all = False
    tells_returns = False

    def clean(self, transport, queue):
        """Delete everything that has the queue's name; other queues may be used at the same time."""
        with Connection(transport.url) as connection, connection.channel() as channel:
            for each in (queue, f"{queue}.dlq", f"{queue}.kernelq.losses"):
                channel.queue_delete(each)
                channel.exchange_delete(each)


class TestClassicMachine(OnClassic, Machine):
    pass


class TestQuorumMachine(OnQuorum, Machine):
    pass
