"""Credit as prefetch, on a channel that only notes what it is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from amqp import spec

from kernelq_amqp.flow import GENERATIONS, ChannelFlow, ConsumerFlow, choose


class Channel:
    """Notes what is sent: ("qos", prefetch, whole channel), ("consume", queue, tag), ("cancel", tag)."""

    def __init__(self):
        self.told = []

    def send_method(self, method, _format, arguments):
        if method == spec.Basic.Qos:
            self.told.append(("qos", arguments[1], arguments[2]))
        elif method == spec.Basic.Consume:
            self.told.append(("consume", arguments[1], arguments[2]))
        else:
            self.told.append(("cancel", arguments[0]))

    def take(self):
        told, self.told = self.told, []
        return told


@pytest.fixture
def channel():
    return Channel()


def test_one_prefetch_for_the_channel_follows_rarely(channel):
    """Out and wanted have a steady sum while tasks come and go; nothing is said then."""
    flow = ChannelFlow(channel)
    flow.add("a", {})
    assert [] == channel.take(), "nothing is wanted yet"
    flow.set(0, 8)
    assert [("qos", 8, True), ("consume", "a", "0.1")] == channel.take()
    for out in range(9):
        flow.set(out, 8 - out)
    assert [] == channel.take()
    flow.set(8, 8)
    assert [("qos", 16, True)] == channel.take()
    flow.set(13, 0)
    assert [] == channel.take(), "a quarter of slack"
    flow.set(2, 0)
    assert [("qos", 2, True)] == channel.take()
    flow.set(0, 0)
    assert [("cancel", "0.1")] == channel.take(), "a prefetch of 0 would be without limit"


def test_a_consumer_is_added_for_more_and_replaced_for_less(channel):
    """Its own prefetch cannot be changed."""
    flow = ConsumerFlow(channel)
    flow.add("q", {})
    flow.set(0, 4)
    assert [("qos", 4, False), ("consume", "q", "0.1")] == channel.take()
    for _ in range(4):
        assert "q" == flow.came("0.1")
    flow.set(4, 0)
    assert [] == channel.take(), "it may send nothing now"
    flow.set(4, 4)
    assert [("qos", 4, False), ("consume", "q", "0.2")] == channel.take()
    for _ in range(4):
        flow.gone("0.1")
    flow.set(0, 1)
    assert [("cancel", "0.1"), ("cancel", "0.2"), ("qos", 1, False), ("consume", "q", "0.3")] == channel.take()


def test_many_consumers_become_one(channel):
    """They do not grow in number with the worker's moods."""
    flow = ConsumerFlow(channel)
    flow.add("q", {})
    for wanted in range(1, 3 * GENERATIONS):
        flow.set(0, wanted * 10)
        assert len(flow._live["q"]) <= GENERATIONS


@pytest.mark.parametrize("kind", [ChannelFlow, ConsumerFlow])
def test_stop_removes_and_cancelled(channel, kind):
    """What is stopped begins again when something is wanted; what the broker has cancelled is told by its queue."""
    flow = kind(channel)
    flow.add("a", {})
    flow.add("b", {})
    flow.set(0, 2)
    tags = {told[1]: told[2] for told in channel.take() if told[0] == "consume"}
    assert "a" == flow.cancelled(tags["a"])
    assert flow.cancelled(tags["a"]) is None
    flow.remove("b")
    assert [("cancel", tags["b"])] == channel.take()
    flow.stop()
    flow.set(0, 2)
    assert ["a"] == [told[1] for told in channel.take() if told[0] == "consume"]


@pytest.mark.parametrize(
    ("version", "quorum", "kind"),
    [
        ("3.10.8", False, ChannelFlow),
        ("3.10.8", True, ConsumerFlow),
        ("4.1.0", False, ConsumerFlow),
        ("?", False, ConsumerFlow),
    ],
)
def test_the_broker_decides(channel, version, quorum, kind):
    """RabbitMQ 4 has no prefetch for a whole channel; quorum queues never had."""
    link = SimpleNamespace(server_properties={"version": version})
    assert isinstance(choose(link, channel, quorum), kind)
