"""Whether a control command reaches anybody."""

from __future__ import annotations

from kombu.entity import Exchange, Queue
from kombu.messaging import Producer

from kernelq_amqp.transport import AmqpTransport


def test_a_queue_is_attended_while_somebody_consumes_from_it(amqp_url, amqp_queue):
    transport = AmqpTransport(amqp_url)
    with transport.connection() as connection:
        assert not transport.attended(connection, amqp_queue), "there is no such queue"
        queue = Queue(amqp_queue, durable=False, auto_delete=True)(connection.channel())
        queue.declare()
        assert not transport.attended(connection, amqp_queue)
        queue.consume("tag", lambda message: None)
        assert transport.attended(connection, amqp_queue)


def test_an_exclusive_queue_is_attended(amqp_url, amqp_queue):
    transport = AmqpTransport(amqp_url)
    with transport.connection() as owner, transport.connection() as other:
        Queue(amqp_queue, durable=False, exclusive=True)(owner.channel()).declare()
        assert transport.attended(other, amqp_queue)


def test_nobody_is_known_and_somebody_is_not_counted(amqp_url, amqp_queue):
    transport = AmqpTransport(amqp_url)
    exchange = Exchange(amqp_queue, type="fanout", durable=False)
    with transport.connection() as connection:
        reached = transport.audience(channel := connection.channel())
        Producer(channel, exchange).publish({}, declare=[exchange])
        assert 0 == reached()

        Queue(amqp_queue, exchange, durable=False, exclusive=True)(channel).declare()
        reached = transport.audience(channel := connection.channel())
        Producer(channel, exchange).publish({}, declare=[exchange])
        assert reached() is None
