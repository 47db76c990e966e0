"""The queue administration beyond the contract: what AMQP cannot tell, and what the broker itself buried."""

from __future__ import annotations

import json
from types import SimpleNamespace

import amqp
import pytest

from kernelq.delivery import QueueInfo, Verdict
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message
from kernelq_testkit.waiting import eventually

pytestmark = pytest.mark.broker


def test_known_queues_are_those_of_the_settings_that_exist(amqp_url, amqp_queue):
    """A queue of the settings that nobody has declared is none."""
    settings = SimpleNamespace(task_queues=[amqp_queue, f"{amqp_queue}-other"])
    transport = AmqpTransport(amqp_url, settings)
    assert [] == transport.admin().queues()
    sender = transport.sender()
    sender.publish(message(amqp_queue))
    sender.close()
    assert [QueueInfo(amqp_queue, ready=1, in_flight=0, delayed=0, dead=0)] == transport.admin().queues()
    assert 1 == transport.admin().purge(amqp_queue)
    assert 0 == transport.admin().purge(f"{amqp_queue}-other")


def test_letters_stay_in_their_places_when_they_are_looked_at(amqp_queue, lane, transport):
    """A look, a replay of one and a drop of another leave the order of the rest."""
    sender = transport.sender()
    sent = [message(amqp_queue, id=f"l{n}") for n in range(5)]
    sender.publish_many(sent)
    sender.close()
    for delivery in lane.take(5):
        lane.settle([delivery], Verdict.BURY, reason=delivery.headers["id"])
    admin = transport.admin()
    letters = {letter.task_id: letter.id for letter in eventually(lambda: _all(admin, amqp_queue, 5), 10)}
    assert 1 == admin.drop([letters["l1"]])
    assert 1 == admin.replay([letters["l3"]])
    assert ["l4", "l2", "l0"] == [letter.task_id for letter in admin.dead(amqp_queue)]
    (again,) = lane.take(1)
    assert ("l3", 1) == (again.headers["id"], again.deliveries)
    assert sent[3].headers == again.headers
    lane.settle([again])


def test_what_the_broker_buried_is_told_with_its_reason(amqp_url, amqp_queue, loop):
    """A quorum queue beyond its own limit of deliveries."""
    settings = {"task_default_queue_type": "quorum", "task_queue_delivery_limit": 1}
    transport = AmqpTransport(amqp_url, SimpleNamespace(**settings))
    sender = transport.sender()
    sent = message(amqp_queue)
    sender.publish(sent)
    sender.close()
    for _ in range(2):
        lane = Consuming(transport, loop, amqp_queue)
        lane.take(1)
        lane.lane.close()
    (letter,) = eventually(lambda: _all(transport.admin(), amqp_queue, 1), 10)
    assert (sent.id, "the broker buried it: delivery_limit") == (letter.task_id, letter.reason)
    assert letter.buried_at > 1_700_000_000
    assert json.loads(letter.body) == json.loads(sent.body)


def test_a_foreign_message_in_the_dead_set_is_shown(amqp_queue, transport):
    """Somebody put it there by hand, without headers; a command that lists must not fail of it."""
    with amqp.Connection("127.0.0.1:5672") as connection:
        channel = connection.channel()
        channel.queue_declare(f"{amqp_queue}.dlq", durable=True, auto_delete=False)
        channel.basic_publish(amqp.Message("text"), routing_key=f"{amqp_queue}.dlq")
    (letter,) = eventually(lambda: _all(transport.admin(), amqp_queue, 1), 10)
    assert (b"text", "", "") == (letter.body, letter.reason, letter.task)


def _all(admin, queue, count):
    letters = admin.dead(queue)
    return letters if len(letters) == count else None
