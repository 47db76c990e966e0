"""Confirmations, counted as they come: one, several, refused."""

from __future__ import annotations

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
