"""Delayed messages in the broker."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from kombu import Exchange, Queue

from kernelq.delivery import Verdict
from kernelq_amqp import delays
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message


def test_a_delay_is_written_in_bits():
    """Celery's form, with the queue and a word of ours behind the bits."""
    key = delays.routing_key("q.a", 5.9)
    assert f"{'0.' * 25}1.0.1.q.a.kernelq" == key
    assert delays.routing_key("q", 10**12).startswith("1." * 28)


def test_what_is_due_soon_goes_at_once():
    """Less than two seconds are waited for in the worker."""
    assert delays.route("q", None) is None
    assert delays.route("q", time.time() + 1.5) is None
    assert delays.route("q", time.time() - 9) is None
    assert delays.route("q", time.time() + 2.5) == ("celery_delayed_27", delays.routing_key("q", 2))


@pytest.mark.broker
def test_a_queue_with_dots_gets_its_own_only(transport, loop, amqp_queue):
    """A delayed message for `x.q` does not come to `q` too, whose name ends it."""
    dotted = f"x.{amqp_queue}"
    lane = Consuming(transport, loop, amqp_queue, dotted)
    sender = transport.sender()
    eta = time.time() + 2.2
    sender.publish_many([message(dotted, id="dotted", eta=eta), message(amqp_queue, id="plain", eta=eta)])
    sender.close()
    assert lane.quiet(1.0)
    assert {("dotted", dotted), ("plain", amqp_queue)} == {(d.headers["id"], d.queue) for d in lane.take(2)}
    assert time.time() >= eta - 0.05
    lane.settle(lane.deliveries)
    assert lane.quiet(0.5)
    lane.lane.close()
    link = transport._connector.link("test")
    for each in (dotted, f"{dotted}.kernelq.losses"):
        link.channel().queue_delete(each)
    link.channel().exchange_delete(dotted)
    link.part(1)


@pytest.mark.broker
def test_what_was_deferred_looks_as_it_did(lane, amqp_queue, transport):
    """Its way through the levels does not show: not in the headers, not in where a retry would go."""
    sender = transport.sender()
    sender.publish(message(amqp_queue))
    sender.close()
    (first,) = lane.take(1)
    lane.settle([first], Verdict.DEFER, eta=time.time() + 2.2)
    (again,) = lane.take(1)
    assert first.headers == again.headers
    assert first.properties["delivery_info"] == again.properties["delivery_info"]
    assert 1 == again.deliveries
    lane.settle([again])


@pytest.mark.broker
def test_celerys_delayed_messages_arrive(amqp_url, amqp_queue, loop, celery):
    """A Celery client with quorum queues delays in the broker; the lane has bound its topic exchange."""
    queue = Queue(
        amqp_queue, Exchange(amqp_queue, type="topic"), amqp_queue, queue_arguments={"x-queue-type": "quorum"}
    )
    transport = AmqpTransport(amqp_url, SimpleNamespace(task_queues=[queue]))
    link = transport._connector.link("test")
    if not delays._exist(link):
        delays._declare(link, "quorum")
    link.part(1)
    lane = Consuming(transport, loop, amqp_queue)
    celery.conf.update(task_queues=[queue], task_default_queue_type="quorum")
    sent = celery.send_task("proj.add", (1,), queue=amqp_queue, countdown=2)
    assert lane.quiet(0.7)
    (came,) = lane.take(1)
    assert came.headers["id"] == sent.id
    lane.settle([came])
    lane.lane.close()
