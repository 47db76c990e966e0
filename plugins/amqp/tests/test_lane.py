"""What RabbitMQ does to a lane, and what a lane does to its messages."""

from __future__ import annotations

import time
from types import SimpleNamespace

import amqp
import pytest

from kernelq.delivery import Settlement, Verdict
from kernelq.kernel.errors import BrokerLost
from kernelq_amqp import lane as lanes
from kernelq_amqp import wire
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message, messages

pytestmark = pytest.mark.broker


@pytest.fixture
def send(transport):
    sender = transport.sender()
    yield lambda *several: sender.publish_many(several)
    sender.close()


@pytest.fixture
def channel(amqp_url):
    """A plain channel beside the lane's."""
    with amqp.Connection("127.0.0.1:5672") as connection:
        yield connection.channel()


def test_unbegun_losses_count_once(transport, loop, amqp_queue, send):
    """However often the workers of a message die before they begin it, it has lost one owner."""
    send(message(amqp_queue))
    counts = []
    for _ in range(4):
        lane = Consuming(transport, loop, amqp_queue)
        counts.append(lane.take(1)[0].deliveries)
        lane.lane.close()
    assert [1, 2, 2, 2] == counts


def test_a_begun_message_has_one_owner_and_ends_with_it(transport, loop, amqp_queue, send):
    """Between `begin` and its settlement nobody else gets it; afterwards it is nowhere."""
    send(message(amqp_queue))
    first = Consuming(transport, loop, amqp_queue)
    first.take(1)
    first.lane.close()
    second, third = Consuming(transport, loop, amqp_queue), Consuming(transport, loop, amqp_queue)
    taken = second.take(1)
    second.lane.begin(taken)
    assert third.quiet(0.5)
    second.settle(taken)
    second.lane.close()
    assert third.quiet(0.5)
    assert 0 == third.lane.depth()
    third.lane.close()


def test_a_begun_message_may_be_requeued_deferred_and_buried(transport, loop, amqp_queue, send):
    """Each verdict finds the copy, and the count stays right."""
    sent = messages(amqp_queue, 3)
    send(*sent)
    first = Consuming(transport, loop, amqp_queue)
    first.take(3)
    first.lane.close()
    lane = Consuming(transport, loop, amqp_queue)
    taken = lane.take(3)
    lane.lane.begin(taken)
    lane.lane.settle(
        [
            Settlement(taken[0], Verdict.REQUEUE),
            Settlement(taken[1], Verdict.DEFER, eta=time.time(), counted=True),
            Settlement(taken[2], Verdict.BURY, reason="enough"),
        ]
    )
    again = {delivery.headers["id"]: delivery.deliveries for delivery in lane.take(2)}
    assert {sent[0].id: 2, sent[1].id: 3} == again
    (letter,) = transport.admin().dead(amqp_queue)
    assert (sent[2].id, "enough", 2) == (letter.task_id, letter.reason, letter.deliveries)
    lane.settle(lane.deliveries[3:])
    lane.lane.close()


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "beside one that is lost"])
def test_a_begun_message_may_be_released(transport, loop, amqp_queue, send, others):
    """A lane that is closed gives it back uncounted, once; what it had settled before does not come again."""
    sent = messages(amqp_queue, 2 + others)
    send(*sent)
    first = Consuming(transport, loop, amqp_queue)
    first.take(len(sent))
    first.lane.close()
    second = Consuming(transport, loop, amqp_queue)
    taken = second.take(len(sent))
    second.lane.begin(taken[:2])
    second.lane.settle([Settlement(taken[1], Verdict.ACK)])
    second.lane.close(taken[:1])
    third = Consuming(transport, loop, amqp_queue)
    again = {delivery.headers["id"]: delivery.deliveries for delivery in third.take(1 + others)}
    assert dict.fromkeys([sent[0].id, *(one.id for one in sent[2:])], 2) == again
    assert third.quiet(0.5)
    third.settle(third.deliveries)
    third.lane.close()


def test_a_deleted_queue_is_declared_again(lane, loop, amqp_queue, channel, send, caplog):
    """The broker cancels the consumer; the lane says so and consumes on."""
    lane.lane.want(2)
    loop.run_for(0.2)
    channel.queue_delete(amqp_queue)
    assert loop.run_until(lambda: "was deleted" in caplog.text, 60)
    loop.run_for(0.2)
    send(message(amqp_queue, id="after"))
    assert loop.run_until(lambda: lane.ids == ["after"], 60)


def test_surplus_goes_back_to_who_can_use_it(transport, loop, amqp_queue, send, monkeypatch):
    """What came beyond the credit does not wait in a worker that has none."""
    monkeypatch.setattr(lanes, "PATIENCE", 0.2)
    settings = SimpleNamespace(task_default_queue_type="quorum", task_queue_delivery_limit=1000)
    quorum = AmqpTransport(transport.url, settings)
    first = Consuming(quorum, loop, amqp_queue, f"{amqp_queue}-other")
    send(*messages(amqp_queue, 2), *messages(f"{amqp_queue}-other", 2))
    first.take(2)  # each queue may send two
    loop.run_for(0.1)
    other = Consuming(quorum, loop, amqp_queue, f"{amqp_queue}-other")
    assert 2 == len(other.take(2))
    for each in (first, other):
        each.settle(each.deliveries)
        each.lane.close()


def test_what_cannot_be_decoded_is_buried_with_its_reason(transport, lane, loop, amqp_queue, channel):
    """Bytes that are no text where a text must be: no crash, no loop, not dropped."""
    lane.lane.want(5)
    loop.run_for(0.2)
    bad = amqp.Message(b"body", correlation_id="x")
    bad._serialize_properties = lambda: b"\x04\x00" + b"\x02\xff\xfe"
    channel.basic_publish(bad, routing_key=amqp_queue)
    channel.basic_publish(amqp.Message(b"good", application_headers={"id": "good"}), routing_key=amqp_queue)
    assert loop.run_until(lambda: lane.ids == ["good"], 60)
    loop.run_for(0.3)
    (letter,) = transport.admin().dead(amqp_queue)
    assert "cannot be decoded" in letter.reason
    assert b"body" == letter.body


def test_a_quorum_queue_that_nobody_told_of_is_learnt_by_a_refusal(transport, loop, amqp_queue, channel, send):
    """RabbitMQ has no prefetch for a whole channel there; the next lane does without."""
    channel.queue_declare(amqp_queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    send(message(amqp_queue))
    lane = Consuming(transport, loop, amqp_queue)
    with pytest.raises(BrokerLost, match="global qos"):
        lane.take(1)
    lane.lane.close()
    again = Consuming(transport, loop, amqp_queue)
    again.settle(again.take(1))
    again.lane.close()


def test_acknowledgements_are_batched(lane, send, amqp_queue, loop):
    """A turn's settlements with nothing unsettled before them are one word."""
    send(*messages(amqp_queue, 50))
    taken = lane.take(50)
    written = []
    link = lane.lane._link
    write = link.write
    link.write = lambda frame: (written.append(frame), write(frame))
    lane.settle(taken[1:])
    lane.settle(taken[:1])
    assert 49 + 1 == len(written)
    more = messages(amqp_queue, 50)
    send(*more)
    taken = lane.take(50)
    written.clear()
    lane.settle(taken)
    assert 1 == len(written)
    assert 0 == lane.lane.depth()


def test_own_headers_are_not_shown(lane, send, amqp_queue):
    """A task sees its sender's headers only."""
    send(message(amqp_queue))
    lane.settle(lane.take(1), Verdict.REQUEUE, counted=True)
    (again,) = lane.take(1)
    assert wire.KNOWN.isdisjoint(again.headers)
    assert 2 == again.deliveries
