"""What a lost connection leaves behind is the next lane's, however many fail to open before it."""

from __future__ import annotations

import pytest

from kernelq.delivery import Settlement, Verdict
from kernelq.kernel.errors import BrokerLost
from kernelq_redis.link import Link, broker_lost
from kernelq_redis.location import locate
from kernelq_redis.opening import Opening
from kernelq_redis.recovery import give_back
from kernelq_redis.scripts import ALL, LOAD
from kernelq_redis.transport import RedisTransport
from kernelq_redis.wire import Wire
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.messages import messages
from kernelq_testkit.waiting import eventually


@pytest.fixture
def loop():
    loop = SteppedLoop()
    yield loop
    loop.close()


@pytest.fixture(params=[False, True], ids=["alone", "rescued"])
def transport(request, url, settings):
    settings.broker_transport_options["celery_rescues"] = request.param
    transport = RedisTransport(url, settings, lease=4.0)
    yield transport
    transport.close()


@pytest.fixture
def consume(transport, loop):
    opened = []

    def consume():
        opened.append(Consuming(transport, loop, "q"))
        return opened[-1]

    yield consume
    for one in opened:
        one.lane.close()


@pytest.fixture
def send(transport):
    sender = transport.sender()
    yield lambda count: sender.publish_many(messages("q", count))
    sender.close()


def in_flight(client, prefix):
    return sum(client.hlen(key) for key in client.scan_iter(f"{prefix}kq:u:*", count=10_000))


def taken_without_an_answer(consumer, client, prefix):
    """Have the server carry out a claim of one message more, whose answer is not read."""
    before = in_flight(client, prefix)
    consumer.lane.want(1)
    eventually(lambda: in_flight(client, prefix) == before + 1)


def breaking(owner, name, call):
    """Return what breaks the connection at the `call`-th call of a method, counted from 1, once it is done."""
    real, calls = getattr(owner, name), []

    def method(self, *args):
        calls.append(name)
        answer = real(self, *args)
        if len(calls) == call:
            if isinstance(answer, tuple):  # a waiter's connection, which has nobody yet who would close it
                answer[0].abort()
            raise broker_lost(locate("redis://nowhere"), OSError("broken"))
        return answer

    return method


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [(Opening, "begin", 1), (Opening, "waiting_link", 1), (Opening, "waiting_link", 2), (Link, "flush", 1)],
    ids=["lease", "first-waiter", "second-waiter", "first-write"],
)
def test_a_lane_that_fails_to_open_keeps_nothing_from_the_next(
    owner, name, call, transport, loop, consume, send, client, prefix, monkeypatch
):
    """What was delivered can be settled, what was settled is, and what nobody knows of comes again, uncounted."""
    send(3)
    first = consume()
    settled, running = first.take(2)
    taken_without_an_answer(first, client, prefix)
    first.lane.settle([Settlement(settled, Verdict.ACK)])
    first.lane._link.abort()
    first.lane.close()
    watched = set(loop._hub.readers)

    failing = transport.lane()
    with monkeypatch.context() as broken:
        broken.setattr(owner, name, breaking(owner, name, call))
        with pytest.raises(BrokerLost, match="broken"):
            failing.open(loop, ["q"], lambda batch: None)
    failing.close()
    assert watched == set(loop._hub.readers), "its connections are closed"

    second = consume()
    second.settle([running])
    (unknown,) = second.take(1)
    assert 1 == unknown.deliveries
    assert unknown.headers["id"] not in {settled.headers["id"], running.headers["id"]}
    second.settle([unknown])
    eventually(lambda: in_flight(client, prefix) == 0)
    assert second.quiet(0.3)


def test_a_fenced_lane_inherits_nothing(transport, loop, consume, send, client, prefix):
    """What another lane of the transport lost waits for one that opens, and so sends again what is unanswered."""
    send(1)
    lost, living = consume(), consume()
    (settled,) = lost.take(1)
    lost.lane.settle([Settlement(settled, Verdict.ACK)])
    lost.lane._link.abort()
    lost.lane.close()
    living.lane._become_new(living.lane._term)
    consume()
    loop.run_until(lambda: in_flight(client, prefix) == 0, 10)
    assert 0 == in_flight(client, prefix)


def test_an_answer_older_than_the_end_of_the_lease_starts_nothing(transport, loop, consume, send, client, prefix, url):
    """The worker slept with it unread; the keeper learns first that others have the message."""
    send(1)
    lane = consume()
    taken_without_an_answer(lane, client, prefix)
    term = lane.lane._term
    wire = Wire(locate(url), 4.0, "kernelq-test")
    wire.talk(LOAD, len(ALL))
    assert 1 == give_back(transport._terms, wire, "q", term.name, "bound")
    wire.close()
    term.lost = True
    assert loop.run_until(lambda: len(lane) > 0, 10)
    assert [2] == [one.deliveries for one in lane.deliveries]
    assert lane.quiet(0.3)
    lane.settle(lane.deliveries)
    eventually(lambda: in_flight(client, prefix) == 0)
