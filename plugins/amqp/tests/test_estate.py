"""Deliveries are counted by who died, not by who gave back."""

from __future__ import annotations

import amqp
import pytest

from kernelq_amqp.estate import LOSSES
from kernelq_testkit.child import child_that_waits, kill
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import HubLoop
from kernelq_testkit.messages import message
from kernelq_testkit.waiting import eventually

pytestmark = pytest.mark.broker


@pytest.fixture
def send(transport):
    sender = transport.sender()
    yield lambda *several: sender.publish_many(several)
    sender.close()


def losses(queue):
    with amqp.Connection("127.0.0.1:5672") as connection:
        return connection.channel().queue_declare(queue + LOSSES, passive=True).message_count


def die_with_one(transport, queue, begin):
    """Take a message in another process, begin it or not, and kill the process."""

    def consumer(ready):
        lane = Consuming(transport, HubLoop(), queue)
        taken = lane.take(1)
        if begin:
            lane.lane.begin(taken)
        ready()
        import signal

        signal.pause()

    with child_that_waits(consumer) as pid:
        kill(pid)


def test_killed_workers_are_counted_by_what_they_had_begun(transport, loop, amqp_queue, send):
    """The first in any case; then those that had begun."""
    send(message(amqp_queue))
    for begin in (False, False, True, False, True):
        die_with_one(transport, amqp_queue, begin)
    eventually(lambda: losses(amqp_queue), 10)
    lane = Consuming(transport, loop, amqp_queue)
    (delivery,) = lane.take(1)
    assert 4 == delivery.deliveries
    lane.lane.begin([delivery])
    lane.settle([delivery])
    assert lane.quiet(0.3)
    lane.lane.close()


def test_who_closes_in_peace_leaves_no_loss(transport, loop, amqp_queue, send):
    """Nothing in flight, nothing noted; what was given back counts for nothing."""
    send(message(amqp_queue))
    lane = Consuming(transport, loop, amqp_queue)
    lane.lane.close(release=lane.take(1))
    again = Consuming(transport, loop, amqp_queue)
    assert [1] == [delivery.deliveries for delivery in again.take(1)]
    assert 0 == losses(amqp_queue)
    again.settle(again.deliveries)
    again.lane.close()


def test_a_settlement_may_come_before_the_copy(transport, loop, amqp_queue, send):
    """A short task has ended before the broker has handed its copy over; it does not come again."""
    send(message(amqp_queue))
    first = Consuming(transport, loop, amqp_queue)
    first.take(1)
    first.lane.close()
    lane = Consuming(transport, loop, amqp_queue)
    taken = lane.take(1)
    estate = lane.lane._estate
    came, kept = estate._channel.on_deliver, []
    estate._channel.on_deliver = lambda *what: kept.append(what)
    lane.lane.begin(taken)
    lane.settle(taken)
    assert loop.run_until(lambda: kept, 60)
    estate._channel.on_deliver = came
    for what in kept:
        came(*what)
    lane.lane.close()
    again = Consuming(transport, loop, amqp_queue)
    assert again.quiet(0.5)
    again.lane.close()
