from __future__ import annotations

import sqlite3
import time

import pytest

from kernelq.delivery import Verdict
from kernelq.kernel.errors import BrokerLost


def queue_info(transport, name="q"):
    return next(info for info in transport.admin().queues() if info.name == name)


def test_delivers_in_the_order_of_sending(sender, consume, message):
    """Messages of one queue and priority come first in, first out."""
    sender.publish_many([message(b"%d" % n) for n in range(25)])
    consumer = consume(credit=100)
    consumer.wait(25)
    assert [b"%d" % n for n in range(25)] == consumer.bodies()


def test_a_delivery_carries_what_was_sent(sender, consume, message):
    """Headers, body, properties and content types come as they went."""
    headers = {"task": "t", "id": "1", "big": 2**70, "text": "é\ud800", "none": None}
    sender.publish(message(b"\x00\xff", headers=headers, properties={"correlation_id": "1"}, content_type="a/b",
                           content_encoding="binary"))  # fmt: skip
    (delivery,) = consume().wait(1)
    assert headers == delivery.headers
    assert b"\x00\xff" == delivery.body
    assert {"correlation_id": "1"} == delivery.properties
    assert ("a/b", "binary", "q", 1) == (
        delivery.content_type, delivery.content_encoding, delivery.queue, delivery.deliveries,
    )  # fmt: skip


def test_urgent_messages_come_first(sender, consume, message):
    """9 is the most urgent, and within a priority the order of sending holds."""
    for body, priority in ((b"a", 0), (b"b", 5), (b"c", 9), (b"d", 5), (b"e", 0)):
        sender.publish(message(body, priority=priority))
    consumer = consume()
    consumer.wait(5)
    assert [b"c", b"b", b"d", b"a", b"e"] == consumer.bodies()


def test_credit_is_the_limit(sender, consume, message):
    """A lane hands over no more than was wanted, however it is asked."""
    sender.publish_many([message(b"%d" % n) for n in range(10)])
    consumer = consume(credit=3)
    consumer.wait(3)
    consumer.loop.run(0.2)
    assert 3 == len(consumer.got)
    consumer.lane.want(2)
    consumer.lane.want(2)
    consumer.wait(5)
    consumer.loop.run(0.2)
    assert 5 == len(consumer.got)


def test_what_a_settlement_claims_counts_against_the_next_credit(sender, consume, message):
    """`want` after `settle` in one turn does not take the same slots twice."""
    sender.publish_many([message(b"%d" % n) for n in range(10)])
    consumer = consume(credit=2)
    first = consumer.wait(2)
    consumer.lane.want(2)
    consumer.settle(*first)
    consumer.lane.want(2)
    consumer.loop.run(0.2)
    assert 4 == len(consumer.got)


def test_a_full_queue_does_not_starve_another(sender, consume, message):
    """Every queue gets a share of each batch."""
    sender.publish_many([message(b"a%d" % n, queue="full") for n in range(100)])
    sender.publish_many([message(b"b%d" % n, queue="small") for n in range(3)])
    consumer = consume(queues=("full", "small"), credit=10)
    consumer.wait(10)
    assert 3 == sum(delivery.queue == "small" for delivery in consumer.got)
    assert 10 == len(consumer.got)


def test_acknowledged_is_gone(transport, sender, consume, message):
    sender.publish(message())
    consumer = consume()
    consumer.settle(*consumer.wait(1))
    info = queue_info(transport)
    assert (0, 0, 0, 0) == (info.ready, info.in_flight, info.delayed, info.dead)


def test_a_settlement_ends_no_flight_but_its_own(transport, sender, consume, message):
    """Messages between those that are settled, of this lane or of another, stay in flight, in whatever order it is."""
    sender.publish_many([message(b"%d" % n) for n in range(12)])
    mine = consume(credit=4)
    mine.wait(4)
    theirs = consume(credit=4)
    theirs.wait(4)
    mine.lane.want(4)
    mine.wait(8)
    zero, one, two, three, eight, nine, ten, eleven = mine.got
    mine.settle(nine, three, eight, zero, nine, two)
    assert (0, 7) == (queue_info(transport).ready, queue_info(transport).in_flight)
    mine.settle(eleven, one, ten)
    assert 4 == queue_info(transport).in_flight
    theirs.close(release=theirs.got)
    mine.lane.want(4)
    mine.wait(12)
    assert [b"4", b"5", b"6", b"7"] == mine.bodies()[8:]


def test_requeued_comes_next(sender, consume, message):
    """REQUEUE puts a message before those that were sent after it, and does not count."""
    sender.publish_many([message(b"1"), message(b"2")])
    consumer = consume(credit=1)
    (first,) = consumer.wait(1)
    consumer.settle(first, verdict=Verdict.REQUEUE)
    consumer.lane.want(1)
    consumer.wait(2)
    assert [b"1", b"1"] == consumer.bodies()
    assert 1 == consumer.got[1].deliveries
    assert consumer.got[0].tag != consumer.got[1].tag


def test_however_often_it_was_lost_it_comes_again_with_its_count(transport, sender, consume, message):
    """To bury it is its worker's part, which can store a result with that."""
    sender.publish(message(b"poison"))
    consumer = consume()
    for expected in (1, 2, 3, 4):
        delivery = consumer.wait(expected)[-1]
        assert expected == delivery.deliveries
        consumer.lane.want(10)
        consumer.settle(delivery, verdict=Verdict.REQUEUE, counted=True)
    assert [] == transport.admin().dead()
    consumer.settle(consumer.wait(5)[-1], verdict=Verdict.BURY, reason="host lost")
    (letter,) = transport.admin().dead()
    assert ("id-poison", "t", 5, b"poison") == (letter.task_id, letter.task, letter.deliveries, letter.body)
    assert "host lost" in letter.reason


def test_a_redelivered_message_comes_alone(sender, consume, message):
    """A message that lost an owner is a batch of its own, so that poison counts no neighbour."""
    sender.publish_many([message(b"%d" % n) for n in range(4)])
    consumer = consume(credit=4)
    deliveries = consumer.wait(4)
    consumer.lane.want(4)
    consumer.settle(deliveries[1], verdict=Verdict.REQUEUE, counted=True)
    consumer.settle(deliveries[0], deliveries[2], deliveries[3], verdict=Verdict.REQUEUE)
    consumer.lane.want(4)
    consumer.wait(8)
    for batch in consumer.batches:
        if any(delivery.deliveries > 1 for delivery in batch):
            assert 1 == len(batch)


@pytest.mark.usefixtures("only_bells")
def test_delayed_messages_wait_in_the_broker(transport, sender, consume, message):
    """A message with an eta is counted as delayed, and comes at its time, not at the next look."""
    due = time.time() + 1.5
    sender.publish(message(b"later", eta=due))
    sender.publish(message(b"now"))
    consumer = consume()
    consumer.wait(1)
    assert 1 == queue_info(transport).delayed
    consumer.wait(2)
    assert [b"now", b"later"] == consumer.bodies()
    assert due <= time.time()


@pytest.mark.usefixtures("only_bells")
def test_an_idle_lane_hears_of_an_earlier_eta(sender, consume, message):
    """A delayed message that is published while the lane sleeps for a later one comes at its own time."""
    consumer = consume()
    sender.publish(message(b"far", eta=time.time() + 60))
    consumer.loop.run(0.1)
    due = time.time() + 0.3
    sender.publish(message(b"near", eta=due))
    consumer.wait(1)
    assert [b"near"] == consumer.bodies()
    assert due <= time.time()


def test_deferred_comes_again_later(transport, sender, consume, message):
    sender.publish(message())
    consumer = consume()
    (first,) = consumer.wait(1)
    due = time.time() + 1.5
    consumer.lane.want(10)
    consumer.settle(first, verdict=Verdict.DEFER, eta=due)
    assert 1 == queue_info(transport).delayed
    consumer.wait(2)
    assert time.time() >= due
    assert 1 == consumer.got[1].deliveries


def test_buried_messages_can_be_shown_replayed_and_dropped(transport, sender, consume, message):
    sender.publish_many([message(b"1"), message(b"2")])
    consumer = consume()
    consumer.settle(*consumer.wait(2), verdict=Verdict.BURY, reason="no good")
    admin = transport.admin()
    newest, oldest = admin.dead("q")
    assert (b"2", b"1", "no good") == (newest.body, oldest.body, oldest.reason)
    assert [1, 1] == [newest.deliveries, oldest.deliveries]
    assert oldest.body == admin.dead_letter(oldest.id).body
    assert admin.dead_letter("nonsense") is None
    assert 1 == admin.replay([oldest.id, "404"])
    consumer.lane.want(10)
    assert b"1" == consumer.wait(3)[-1].body
    assert 1 == consumer.got[-1].deliveries
    assert 1 == admin.drop([newest.id, newest.id])
    assert [] == admin.dead()


LARGE = b'{"id": "large", "x": "%s"}' % (b"x" * 70_000)
DEEP = b'{"id": "deep", "x": ' + b"[" * 70 + b"]" * 70 + b"}"


@pytest.mark.parametrize("headers", ["{", "[1]", b"\xff\xfe", "12", "[" * 100_000, 7, LARGE, DEEP])
def test_unreadable_rows_are_buried(transport, sender, consume, message, url, headers):
    """A row that no sender wrote goes to the dead set with a reason, and what is behind it is delivered."""
    sender.publish_many([message(b"1"), message(b"2"), message(b"3")])
    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    db.execute("UPDATE message SET headers=? WHERE body IN (?, ?)", (headers, b"1", b"3"))
    db.commit()
    db.close()
    consumer = consume()
    consumer.wait(1)
    consumer.loop.run(0.2)
    assert [b"2"] == consumer.bodies()
    assert 2 == len(transport.admin().dead())
    assert "cannot be read" in transport.admin().dead()[0].reason


def test_released_deliveries_go_back_at_once(transport, open_transport, sender, consume, message):
    """What was not started is given back in order and uncounted; the rest follows, counted, as the lease ends."""
    sender.publish_many([message(b"%d" % n) for n in range(4)])
    first = consume(credit=4)
    deliveries = first.wait(4)
    second = consume(open_transport(), credit=10)
    second.loop.run(0.1)
    first.close(release=deliveries[1:])
    second.wait(4, seconds=10)
    assert [b"1", b"2", b"3"] == [delivery.body for delivery in second.got if delivery.deliveries == 1]
    assert [b"0"] == [delivery.body for delivery in second.got if delivery.deliveries == 2]


def test_after_a_failure_the_next_lane_settles_for_the_lost_one(
    url, settings, open_transport, sender, consume, message
):
    """A backup that holds the file for too long costs a reconnect, and what still ran is not delivered twice."""
    settings.broker_connection_timeout = 1.0
    transport = open_transport()
    sender.publish(message())
    first = consume(transport)
    (delivery,) = first.wait(1)
    backup = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    backup.execute("BEGIN IMMEDIATE")
    with pytest.raises(BrokerLost):
        first.settle(delivery)
    backup.execute("ROLLBACK")
    backup.close()
    first.close()
    other, second = consume(open_transport()), consume(transport)
    other.loop.run(1.2)
    second.settle(delivery)
    second.loop.run(0.2)
    assert [] == second.got == other.got
    assert 0 == queue_info(transport).in_flight


def test_queues_come_and_go(sender, consume, message):
    consumer = consume()
    sender.publish(message(b"1", queue="other"))
    consumer.loop.run(0.1)
    consumer.lane.add_queue("other")
    consumer.lane.add_queue("other")
    consumer.wait(1)
    consumer.lane.cancel_queue("other")
    sender.publish(message(b"2", queue="other"))
    consumer.loop.run(0.3)
    assert [b"1"] == consumer.bodies()


def test_purge_leaves_what_is_in_flight(transport, sender, consume, message):
    sender.publish_many([message(b"%d" % n) for n in range(5)])
    consumer = consume(credit=2)
    consumer.wait(2)
    sender.publish(message(b"later", eta=time.time() + 60))
    assert 4 == transport.admin().purge("q")
    info = queue_info(transport)
    assert (0, 2, 0) == (info.ready, info.in_flight, info.delayed)


def test_expired_messages_are_still_delivered(sender, consume, message):
    """Whether an expired task runs is for the strategy to say."""
    sender.publish(message(expires=time.time() - 60))
    assert 1 == len(consume().wait(1))
