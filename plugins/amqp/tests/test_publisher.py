"""Confirmations, counted as they come: one, several, refused."""

from __future__ import annotations

import time
from struct import unpack_from

import pytest

from kernelq.kernel.errors import BrokerUnreachable
from kernelq_amqp.connector import Connector
from kernelq_amqp.publisher import Publisher

pytestmark = pytest.mark.broker


@pytest.fixture
def confirmed():
    return []


@pytest.fixture
def publisher(amqp_url, confirmed):
    link = Connector(amqp_url, None).link("test")
    yield Publisher(link, confirmed.append)
    link.part(1)


def test_every_message_is_confirmed_by_its_token(publisher, confirmed, amqp_queue):
    """In whatever pieces the broker says so."""
    publisher.link.channel().queue_declare(amqp_queue)
    for token in range(300):
        publisher.publish("", amqp_queue, {"delivery_mode": 2}, b"x", token)
    publisher.link.drain_events(10)
    while publisher.waiting:
        publisher.link.drain_events(10)
    publisher.check()
    assert list(range(300)) == sorted(confirmed)


def sizes(stream):
    """The bytes of each frame, whole."""
    at = 0
    while at < len(stream):
        size = 8 + unpack_from(">I", stream, at + 3)[0]
        yield size
        at += size


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 400_000])
def test_a_message_of_any_size_arrives_as_it_was(publisher, amqp_queue, size):
    """Its body in as many frames as the connection asks for; also behind one for another address."""
    channel = publisher.link.channel()
    channel.queue_declare(amqp_queue)
    body = bytes(number % 251 for number in range(size))
    publisher.publish("amq.fanout", "nobody", {}, b"x", None)
    publisher.publish("", amqp_queue, {"correlation_id": "1"}, body, None)
    assert max(sizes(bytes(publisher.link._unsent))) <= publisher.link.frame_max
    publisher.finish(0, time.monotonic() + 30, 30)
    got = channel.basic_get(amqp_queue, no_ack=True)
    assert (131_072, body, {"correlation_id": "1"}) == (publisher.link.frame_max, got.body or b"", got.properties)


def test_several_are_confirmed_or_refused_at_once(publisher, confirmed):
    """`multiple` takes all up to its tag, and no other."""
    publisher.waiting = {1: "a", 2: "b", 3: "c", 4: "d"}
    publisher._acked(2, True)
    assert (["a", "b"], {3: "c", 4: "d"}) == (confirmed, publisher.waiting)
    publisher._nacked(3, False)
    publisher._acked(3, False)
    publisher._acked(9, True)
    assert ["a", "b", "d"] == confirmed
    with pytest.raises(BrokerUnreachable, match="refused 1"):
        publisher.check()
    publisher.check()
