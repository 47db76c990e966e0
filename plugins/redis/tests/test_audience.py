"""How many nodes a control command reaches."""

from __future__ import annotations

import contextlib

from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from kernelq_redis.transport import RedisTransport


def test_it_is_the_number_of_those_that_listen(url, settings):
    transport = RedisTransport(url, settings)
    exchange = Exchange("all", type="fanout", durable=False)
    connections = [transport.connection() for _ in range(3)]
    try:
        reached = transport.audience(channel := connections[0].channel())
        Producer(channel, exchange).publish({}, declare=[exchange])
        assert 0 == reached()

        for number, connection in enumerate(connections[1:]):
            Consumer(connection.channel(), [Queue(f"node-{number}", exchange, auto_delete=True)], no_ack=True).consume()
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=0.2)  # it subscribes before it waits
        reached = transport.audience(channel := connections[0].channel())
        Producer(channel, exchange).publish({}, declare=[exchange])
        assert 2 == reached()
    finally:
        for connection in connections:
            connection.release()
