"""Celery 5.7 and KernelQ on one Redis queue, both ways; kombu reads what KernelQ sends."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue

from kernelq.delivery import Verdict
from kernelq_kombu import KombuTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import HubLoop
from kernelq_testkit.messages import message

pytestmark = pytest.mark.broker


@pytest.fixture
def transport(redis_url, redis_prefix):
    settings = SimpleNamespace(broker_transport_options={"global_keyprefix": redis_prefix})
    return KombuTransport(redis_url, settings)


@pytest.fixture
def celery(redis_url, redis_prefix):
    app = Celery("interop", broker=redis_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": redis_prefix}
    yield app
    app.close()


@pytest.fixture
def lane(transport):
    loop = HubLoop()
    consuming = Consuming(transport, loop, "celery")
    yield consuming
    consuming.lane.close()
    loop.close()


def test_celery_sends_and_the_lane_reads(celery, lane):
    """Headers are protocol 2, the body is Celery's JSON, undecoded."""
    sent = celery.send_task("proj.add", (2, 3), {"k": "ü"}, countdown=60)
    (delivery,) = lane.take(1)
    assert (delivery.headers["task"], delivery.headers["id"]) == ("proj.add", sent.id)
    assert datetime.fromisoformat(delivery.headers["eta"]) > datetime.now(UTC)
    assert [[2, 3], {"k": "ü"}] == json.loads(delivery.body)[:2]
    assert (delivery.content_type, delivery.queue) == ("application/json", "celery")
    assert delivery.properties["correlation_id"] == sent.id
    assert delivery.properties["delivery_info"]["routing_key"] == "celery"


def test_celery_compresses_and_the_lane_unpacks(celery, lane):
    """kombu has undone the compression, so the header that tells of it is gone too."""
    celery.send_task("proj.add", ("x" * 5000,), compression="zlib")
    (delivery,) = lane.take(1)
    assert "compression" not in delivery.headers
    assert json.loads(delivery.body)[0] == ["x" * 5000]


def test_a_celery_queue_bound_to_its_exchange_is_served(celery, lane):
    """A message through the exchange `celery` reaches the lane as well as one through the anonymous exchange."""
    with celery.producer_pool.acquire() as producer:
        producer.publish(
            [[], {}, {}],
            exchange=Exchange("celery", type="direct"),
            routing_key="celery",
            headers={"task": "proj.t", "id": "exchange"},
            declare=[Queue("celery", Exchange("celery", type="direct"), routing_key="celery")],
        )
    assert lane.take(1)[0].headers["id"] == "exchange"


def test_the_sender_sends_and_kombu_reads(redis_url, redis_prefix, transport):
    """What a Celery worker's consumer sees is a protocol 2 message with its properties."""
    sender = transport.sender()
    sent = message("celery", "proj.add", args=(2, 3), priority=9)
    sender.publish(sent)
    sender.close()
    with Connection(redis_url, transport_options={"global_keyprefix": redis_prefix}) as connection:
        queue = connection.SimpleQueue(Queue("celery", Exchange("celery"), routing_key="celery"))
        got = queue.get(timeout=30)
        got.ack()
        queue.close()
    assert got.headers == sent.headers
    assert got.decode() == [[2, 3], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    assert got.properties["correlation_id"] == sent.id
    assert got.properties["delivery_mode"] == 2
    assert got.properties["priority"] == 0, "9 is the most urgent for KernelQ, 0 is it on Redis"


def test_a_celery_worker_reads_what_the_lane_gives_back(celery, lane, transport, redis_url, redis_prefix):
    """A requeued message keeps Celery's form: another consumer of kombu takes it."""
    sent = celery.send_task("proj.add", (1,))
    lane.settle(lane.take(1), Verdict.REQUEUE)
    lane.lane.want(0)
    lane.loop.run_for(0.2)
    lane.lane.close()
    with Connection(redis_url, transport_options={"global_keyprefix": redis_prefix}) as connection:
        queue = connection.SimpleQueue(Queue("celery", Exchange("celery"), routing_key="celery"))
        got = queue.get(timeout=30)
        got.ack()
        queue.close()
    assert got.headers["id"] == sent.id
