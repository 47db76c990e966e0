"""The kombu plugin against the shared contracts, on RabbitMQ and on Redis."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq_kombu import KombuTransport
from kernelq_testkit.lane import LaneConformance
from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.sender import SenderConformance
from kernelq_testkit.transport import TransportConformance


class OnAmqp:
    @pytest.fixture
    def queue(self, amqp_queue):
        return amqp_queue

    @pytest.fixture
    def transport_factory(self, amqp_url):
        return lambda: KombuTransport(amqp_url)


class OnAmqpWithPriority(OnAmqp):
    @pytest.fixture
    def transport_factory(self, amqp_url):
        return lambda: KombuTransport(amqp_url, SimpleNamespace(task_queue_max_priority=9))


class OnRedis:
    @pytest.fixture
    def transport_factory(self, redis_url, redis_prefix):
        settings = SimpleNamespace(broker_transport_options={"global_keyprefix": redis_prefix})
        return lambda: KombuTransport(redis_url, settings)


class TestAmqpSender(OnAmqp, SenderConformance):
    @pytest.fixture
    def unreachable_transport(self, free_port):
        return KombuTransport(f"amqp://guest:secret@127.0.0.1:{free_port}//")


class TestAmqpTransport(OnAmqp, TransportConformance):
    pass


class TestRedisSender(OnRedis, SenderConformance):
    @pytest.fixture
    def unreachable_transport(self, free_port):
        return KombuTransport(f"redis://:secret@127.0.0.1:{free_port}/9")


class TestRedisTransport(OnRedis, TransportConformance):
    pass


class TestAmqpLane(OnAmqp, LaneConformance):
    pass


class TestAmqpLanePolled(OnAmqpWithPriority, LaneConformance):
    loop_class = SteppedLoop


class TestRedisLane(OnRedis, LaneConformance):
    pass


class TestRedisLanePolled(OnRedis, LaneConformance):
    loop_class = SteppedLoop
