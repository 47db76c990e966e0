"""One connection that events come over."""

from __future__ import annotations

import logging

import pytest
from kombu.entity import Queue
from kombu.exceptions import OperationalError

from kernelq.events.event import exchange
from kernelq.events.subscription import Subscription
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable


@pytest.fixture
def subscription(memory):
    def queue(connection):
        return Queue(
            "ev.test", exchange(connection, memory.names["event_exchange"]), "#", auto_delete=True, durable=False
        )

    made = Subscription(memory.app.transport.connection(), "memory://", queue, {"json"}, 4.0)
    yield made
    made.close()


def test_what_has_come_is_given_once(memory, subscription):
    with memory.dispatcher() as dispatcher:
        dispatcher.send("worker-online")

    assert ["worker-online"] == [body["type"] for body in subscription.wait(30)]
    assert [] == subscription.wait(0.01)


def test_what_cannot_be_read_is_told_and_passed_over(memory, subscription, caplog):
    with memory.dispatcher() as dispatcher:
        for body, kind in ((b"?", "application/x-yaml"), (b"{", "application/json")):
            dispatcher.producer.publish(
                body, content_type=kind, content_encoding="utf-8", routing_key="x", exchange=dispatcher.exchange.name
            )
        dispatcher.send("worker-online")
    with caplog.at_level(logging.WARNING, "kernelq.events"):
        come = [body for _ in range(3) for body in subscription.wait(30)]

    assert ["worker-online"] == [body["type"] for body in come]
    assert 2 == caplog.text.count("cannot be read")


def test_whatever_the_connection_raises_is_a_lost_broker(subscription):
    with pytest.raises(BrokerLost, match="memory:// was lost: gone"), subscription.guarded():
        raise OperationalError("gone")
    with pytest.raises(ValueError, match="mine"), subscription.guarded():
        raise ValueError("mine")


def test_a_broker_that_is_not_there_is_named(make_cluster):
    away = make_cluster("redis://127.0.0.1:1/0", broker_connection_timeout=0.2)

    with pytest.raises(BrokerUnreachable, match="no events can be had from here"):
        Subscription(away.app.transport.connection(), "here", lambda connection: Queue("q"), {"json"}, 0.2)
