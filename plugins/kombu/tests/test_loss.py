"""The broker cuts the connection."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
import redis

from kernelq.kernel.errors import BrokerLost, KernelQError, Unreachable
from kernelq_kombu import KombuTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import HubLoop, SteppedLoop
from kernelq_testkit.messages import message
from kernelq_testkit.waiting import eventually

pytestmark = pytest.mark.broker


@pytest.fixture(params=[HubLoop, SteppedLoop], ids=["hub", "polled"])
def loop(request):
    loop = request.param()
    yield loop
    loop.close()


def test_redis_kills_the_client(redis_url, redis_prefix, loop):
    """The lane says BrokerLost; a new lane has the message that was in flight, once the old one is closed."""
    name = redis_prefix.rstrip(":")
    settings = SimpleNamespace(
        broker_transport_options={"global_keyprefix": redis_prefix, "client_name": name, "retry_on_timeout": False}
    )
    transport = KombuTransport(redis_url, settings)
    sender = transport.sender()
    lane = Consuming(transport, loop, "q")
    lane.lane.want(5)
    loop.run_for(0.3)
    with redis.Redis.from_url(redis_url) as client:
        ours = [c["id"] for c in client.client_list() if c["name"] == name]
        assert ours
        for each in ours:
            client.client_kill_filter(_id=each)
    with pytest.raises(BrokerLost):
        loop.run_for(5)
    lane.lane.close()
    sender.publish(message("q", id="after"))
    sender.close()
    again = Consuming(transport, loop, "q")
    assert again.take(1)[0].headers["id"] == "after"
    again.settle(again.deliveries)
    again.lane.close()


def test_rabbitmq_closes_the_connection(amqp_url, amqp_queue, loop):
    """The lane says BrokerLost; what was in flight comes again on a new one."""
    transport = KombuTransport(amqp_url)
    sender = transport.sender()
    sender.publish(message(amqp_queue, id="flying"))
    lane = Consuming(transport, loop, amqp_queue)
    told = []
    lane.lane.on_fenced = lambda: told.append("others have it")
    lane.take(1)
    close_rabbitmq_connection(lane.lane._connection.connection.sock.getsockname()[1])
    with pytest.raises(BrokerLost):
        loop.run_for(5)
    lane.lane.close()
    assert ["others have it"] == told
    again = Consuming(transport, loop, amqp_queue)
    assert again.take(1)[0].headers["id"] == "flying"
    again.settle(again.deliveries)
    again.lane.close()
    sender.publish(message(amqp_queue))
    sender.close()


def test_an_exchange_that_is_missing_is_told_and_loses_no_connection(amqp_url, amqp_queue, loop):
    """The broker is not away; what is sent next goes by."""
    transport = KombuTransport(amqp_url)
    sender = transport.sender()
    nowhere = message(amqp_queue, exchange="kit-nowhere", routing_key="key")
    for _ in range(2):
        with pytest.raises(KernelQError, match="no exchange 'kit-nowhere'") as caught:
            sender.publish_many([message(amqp_queue, id="beside"), nowhere])
        assert not isinstance(caught.value, Unreachable)
        sender.publish(message(amqp_queue, id="after"))
    sender.close()
    lane = Consuming(transport, loop, amqp_queue)
    assert ["after", "after"] == [one.headers["id"] for one in lane.take(2)]
    assert lane.quiet(0.5)
    lane.settle(lane.deliveries)
    lane.lane.close()


def close_rabbitmq_connection(port: int) -> None:
    """Have RabbitMQ close the connection that comes from our local port."""

    def ctl(*words: str) -> str:
        return subprocess.run(["rabbitmqctl", "-q", *words], check=True, capture_output=True, text=True).stdout

    def pid() -> str | None:
        rows = (line.split("\t") for line in ctl("list_connections", "pid", "peer_port").splitlines())
        return next((row[0] for row in rows if row[1:] == [str(port)]), None)

    ctl("close_connection", eventually(pid), "the test asks for it")
