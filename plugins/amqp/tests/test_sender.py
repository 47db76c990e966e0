"""Publishing: what cannot be routed, what is gone, what is asked of the properties."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import amqp
import pytest
from kombu import Exchange, Queue

from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError
from kernelq_amqp.link import Link
from kernelq_amqp.publisher import Unroutable
from kernelq_amqp.sender import IDLE, PIECE
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.messages import message, messages

pytestmark = pytest.mark.broker


@pytest.fixture
def sender(transport):
    sender = transport.sender()
    yield sender
    sender.close()


@pytest.fixture
def channel():
    with amqp.Connection("127.0.0.1:5672") as connection:
        yield connection.channel()


def test_what_no_queue_takes_is_an_error_that_names_it(sender, amqp_queue):
    """By a missing exchange, and by an exchange without a fitting binding."""
    with pytest.raises(Unroutable, match="no exchange 'kit-nowhere'"):
        sender.publish(message(amqp_queue, exchange="kit-nowhere", routing_key="key"))
    with pytest.raises(Unroutable, match=r"amq\.topic.*kit-no-such-key"):
        sender.publish(message(amqp_queue, exchange="amq.topic", routing_key="kit-no-such-key"))
    sender.publish(message(amqp_queue))
    assert not issubclass(Unroutable, BrokerUnreachable), "nobody is to wait for it, or to try another broker"


@pytest.mark.parametrize("exchange", ["kit-nowhere", "amq.topic"])
def test_of_many_those_that_can_be_routed_are_sent_once(transport, sender, amqp_queue, channel, exchange):
    """The error tells which was not, and what the broker has of the others: all of them, also over a new connection."""
    several = [message(amqp_queue, id=f"m{number}") for number in range(50)]
    several[20] = message(amqp_queue, id="m20", exchange=exchange, routing_key="kit-no-such-key")
    for each in (sender, transport.sender()):
        with pytest.raises(Unroutable, match=exchange) as caught:
            each.publish_many(several)
        assert ({"m20"}, {f"m{number}" for number in range(50)} - {"m20"}) == (
            set(caught.value.ids),
            set(caught.value.taken),
        )
    each.close()
    assert 98 == channel.queue_declare(amqp_queue, passive=True).message_count


def test_what_the_broker_refuses_for_itself_is_no_lost_broker(sender, amqp_queue):
    """Nobody may publish to an exchange that is the broker's own."""
    with pytest.raises(Unroutable, match="ACCESS_REFUSED"):
        sender.publish(message(amqp_queue, exchange="amq.rabbitmq.trace", routing_key="key"))
    sender.publish(message(amqp_queue))


def test_a_queue_that_was_deleted_is_declared_again(sender, amqp_queue, channel):
    """The message that finds it gone is not lost."""
    sender.publish(message(amqp_queue))
    channel.queue_delete(amqp_queue)
    sender.publish(message(amqp_queue))
    assert 1 == channel.queue_declare(amqp_queue, passive=True).message_count


def test_a_full_queue_refuses(amqp_url, amqp_queue, channel):
    """A negative confirmation is an error for the sender."""
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    queue = Queue(amqp_queue, Exchange(amqp_queue), amqp_queue, queue_arguments=arguments)
    sender = AmqpTransport(amqp_url, SimpleNamespace(task_queues=[queue])).sender()
    with pytest.raises(BrokerUnreachable, match="refused"):
        sender.publish_many(messages(amqp_queue, 50))
    sender.close()


def test_what_goes_out_is_celerys_message(sender, amqp_queue, channel):
    """Persistent, with its properties, through the exchange that it names."""
    sent = message(amqp_queue, priority=3, properties={"reply_to": "here", "expiration": 60000})
    sent.exchange, sent.routing_key = amqp_queue, amqp_queue
    sender.publish(sent)
    got = channel.basic_get(amqp_queue, no_ack=True)
    assert {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "priority": 3,
        "correlation_id": sent.id,
        "reply_to": "here",
        "expiration": "60000",
        "application_headers": sent.headers,
    } == got.properties
    assert amqp_queue == got.delivery_info["exchange"]


def test_a_refused_password_is_a_mistake_in_the_settings():
    """It is not tried again and again, and is not shown."""
    sender = AmqpTransport("amqp://guest:secret@127.0.0.1:5672//").sender()
    with pytest.raises(ConfigurationError, match="broker_url") as caught:
        sender.publish(message("q"))
    assert "secret" not in str(caught.value)


def test_what_cannot_be_written_spoils_nothing(sender, amqp_queue):
    """A header that AMQP has no form for is the caller's error; the next message goes out."""
    with pytest.raises(Exception, match="bad"):
        sender.publish(message(amqp_queue, headers={"bad": object()}))
    sender.publish(message(amqp_queue))


def test_a_bulk_goes_out_while_it_is_made(sender, amqp_queue, monkeypatch):
    """The broker has most of it before the sender waits for the first confirmation."""
    sender.publish(message(amqp_queue))
    unsent = []
    drain = Link.drain_events

    def waiting(link, seconds):
        unsent.append(link.unsent)
        drain(link, seconds)

    monkeypatch.setattr(Link, "drain_events", waiting)
    sender.publish_many(messages(amqp_queue, 900))
    assert 0 < unsent[0] < PIECE


@pytest.mark.parametrize("idle", [0.0, IDLE + 1])
def test_a_connection_that_was_lost_after_the_last_message(sender, amqp_queue, channel, idle):
    """The next message goes over another, whether or not it is looked at first."""
    sender.publish(message(amqp_queue))
    link = sender._publisher.link
    link.sock.shutdown(socket.SHUT_RDWR)
    link._read_at -= idle
    sender.publish(message(amqp_queue))
    assert sender._publisher.link is not link
    assert 2 == channel.queue_declare(amqp_queue, passive=True).message_count


def test_no_thread_waits_for_the_failures_of_others(amqp_queue):
    """Eight that send to a broker that never answers all raise within the time of one, or hardly more."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute, ThreadPoolExecutor(8) as threads:
        settings = SimpleNamespace(broker_connection_timeout=2)
        sender = AmqpTransport(f"amqp://guest:guest@127.0.0.1:{mute.getsockname()[1]}//", settings).sender()

        def send(_number):
            with pytest.raises(BrokerUnreachable):
                sender.publish(message(amqp_queue))

        start = time.monotonic()
        list(threads.map(send, range(8)))
        assert time.monotonic() - start < 2 + 5  # one after the other takes sixteen
        sender.close()
