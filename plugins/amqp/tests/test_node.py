"""What harms a broker: restarts, memory alarms; and TLS. All on a RabbitMQ of the tests' own."""

from __future__ import annotations

import ssl
import time
from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import BrokerLost, BrokerUnreachable
from kernelq_amqp.delays import UNDELIVERED
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message, messages
from kernelq_testkit.waiting import eventually, patience

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def tls(node, **changes):
    """What a client needs to be let in."""
    folder = node.folder
    files = {"ca_certs": f"{folder}/ca.pem", "certfile": f"{folder}/client.pem", "keyfile": f"{folder}/client.key"}
    options = {name: value for name, value in {**files, "cert_reqs": ssl.CERT_REQUIRED, **changes}.items() if value}
    return AmqpTransport(
        f"amqps://guest:guest@localhost:{node.tls_port}//",
        SimpleNamespace(broker_use_ssl=options, broker_connection_timeout=8),
    )


def test_tls_carries_messages_larger_than_its_records(node, loop):
    """Sent, taken and settled over TLS with certificates on both sides, by lane, sender and kombu's connection."""
    transport = tls(node)
    sender = transport.sender()
    sent = [message("tls", args=("x" * size,), headers={"argsrepr": ""}) for size in (10, 100_000, 1_000_000)]
    sender.publish_many(sent)
    lane = Consuming(transport, loop, "tls")
    assert [each.body for each in sent] == [bytes(delivery.body) for delivery in lane.take(3)]
    lane.settle(lane.deliveries)
    lane.lane.close()
    sender.close()
    with transport.connection() as connection:
        connection.connect()
        assert connection.default_channel.queue_declare("tls", passive=True).message_count == 0


@pytest.mark.parametrize(
    "changes",
    [{"certfile": None, "keyfile": None}, {"ca_certs": None}, {"server_hostname": "elsewhere.example"}],
    ids=["no client certificate", "unknown authority", "another host's certificate"],
)
def test_tls_refuses(node, changes):
    """Nobody is let in, or spoken to, without being who they should be."""
    sender = tls(node, **changes).sender()
    with pytest.raises(BrokerUnreachable):
        sender.publish(message("tls"))
    sender.close()


def test_a_restarted_broker_keeps_what_it_took(node, loop):
    """Killed with messages ready, in flight and deferred: the lane says so, the sender goes on, nothing is lost."""
    transport = AmqpTransport(node.url, SimpleNamespace(broker_connection_timeout=4))
    sender = transport.sender()
    sent = messages("restart", 20)
    sender.publish_many(sent)
    lane = Consuming(transport, loop, "restart")
    done = lane.take(5)
    lane.settle(done)
    lane.take(5)
    node.kill()
    with pytest.raises(BrokerLost):
        loop.run_for(30)
    lane.lane.close()
    start = time.monotonic()
    with pytest.raises(BrokerUnreachable):
        sender.publish(message("restart"))
    assert time.monotonic() - start < 5 + 5
    node.start()
    sender.publish(message("restart", id="after"))
    again = Consuming(transport, loop, "restart")
    again.lane.want(40)  # the broker may have lost acknowledgements, which doubles, and the refused message's refusal
    assert loop.run_until(lambda: {each.id for each in sent[5:]} | {"after"} <= set(again.ids), 30)
    again.settle(again.deliveries)
    again.lane.close()
    sender.close()


def test_a_broker_short_of_memory_takes_nothing_and_gives_everything(node, loop):
    """A blocked sender raises in time and says why; the lane consumes and acknowledges all the while."""
    settings = SimpleNamespace(broker_connection_timeout=2)
    transport = AmqpTransport(node.url, settings)
    sender = transport.sender()
    sent = messages("alarm", 5)
    sender.publish_many(sent)
    lane = Consuming(transport, loop, "alarm")
    with node.short_of_memory():
        with pytest.raises(BrokerUnreachable, match="short of memory"):
            sender.publish(message("alarm", id="not taken"))
        assert [each.id for each in sent] == [delivery.headers["id"] for delivery in lane.take(5)]
        lane.settle(lane.deliveries)
    eventually(lambda: _taken(sender), 30, wanted="a broker that takes messages again")
    lane.take(1)
    assert "again" in lane.ids
    lane.settle(lane.deliveries[5:])
    lane.lane.close()
    sender.close()


def test_what_is_due_for_a_queue_that_is_gone_holds_up_nothing(node, loop):
    """More than the thirty-two that RabbitMQ has under way at a time; they are kept in a queue of their own."""
    transport = AmqpTransport(node.url)
    sender = transport.sender()
    eta = time.time() + patience(4)  # by then the queue is gone
    sender.publish_many([message("gone", id=f"gone-{number}", eta=eta) for number in range(40)])
    sender.publish(message("there", id="there", eta=eta + 2))  # its way ends in the same level
    sender.close()
    with transport.connection() as connection:
        connection.default_channel.queue_delete("gone")
        lane = Consuming(transport, loop, "there")
        lane.lane.want(1)
        assert loop.run_until(lambda: "there" in lane.ids, patience(60))
        lane.settle(lane.deliveries)
        lane.lane.close()
        channel = connection.default_channel
        kept = [eventually(lambda: channel.basic_get(UNDELIVERED, no_ack=True), 30) for _ in range(40)]
        assert {f"gone-{number}" for number in range(40)} == {each.headers["id"] for each in kept}


def test_a_task_longer_than_the_consumer_timeout_is_a_lost_broker_with_a_warning(node, loop, caplog):
    """RabbitMQ closes the channel; the lane says why, and a new one has the message again."""
    for name, value in (("consumer_timeout", 1000), ("channel_tick_interval", 500)):
        node.ctl("eval", f"application:set_env(rabbit, {name}, {value}).")
    try:
        transport = AmqpTransport(node.url)
        sender = transport.sender()
        sender.publish(message("slow", id="slow"))
        sender.close()
        lane = Consuming(transport, loop, "slow")
        lane.take(1)
        with pytest.raises(BrokerLost, match="PRECONDITION_FAILED"):
            loop.run_for(30)
        assert "consumer_timeout" in caplog.text
        lane.lane.close()
        again = Consuming(transport, loop, "slow")
        assert again.take(1)[0].headers["id"] == "slow"
        again.settle(again.deliveries)
        again.lane.close()
    finally:
        for name, value in (("consumer_timeout", 1_800_000), ("channel_tick_interval", 60_000)):
            node.ctl("eval", f"application:set_env(rabbit, {name}, {value}).")


def _taken(sender) -> bool:
    try:
        sender.publish(message("alarm", id="again"))
    except BrokerUnreachable:
        return False
    return True
