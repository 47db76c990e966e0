"""Acknowledgements before the start: each is told of once, by this connection or the next."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq.kernel.errors import BrokerLost
from kernelq_redis.ends import Ends
from kernelq_redis.keys import Keys
from kernelq_redis.location import locate
from kernelq_redis.terms import Terms
from kernelq_redis.transport import RedisTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.messages import messages


@pytest.fixture
def keys(prefix):
    return Keys(prefix)


@pytest.fixture(params=[False, True], ids=["alone", "rescued"])
def transport(request, url, settings):
    settings.broker_transport_options["celery_rescues"] = request.param
    transport = RedisTransport(url, settings)
    yield transport
    transport.close()


@pytest.fixture
def loop():
    loop = SteppedLoop()
    yield loop
    loop.close()


@pytest.fixture
def consumer(transport, loop):
    consumer = Consuming(transport, loop, "q")
    yield consumer
    consumer.lane.close()


@pytest.fixture
def taken(consumer, transport):
    sender = transport.sender()
    sender.publish_many(messages("q", 3))
    sender.close()
    return consumer.take(3)


class Told:
    """What was told of each delivery."""

    def __init__(self):
        self.answers = []

    def __call__(self, deliveries, ours):
        self.answers += [(one.headers["id"], ours) for one in deliveries]


def in_flight(client, keys):
    names = [name.decode() for name in client.hkeys(keys.alive("q"))]
    return sum(client.hlen(keys.unacked("q", name)) for name in names)


def answers(taken, ours):
    return sorted((one.headers["id"], ours) for one in taken)


def test_what_is_ours_is_told_so_when_the_server_has_it(consumer, taken, client, keys):
    """Not before."""
    told = Told()
    consumer.lane.acknowledge(taken, told)
    assert [] == told.answers
    assert consumer.loop.run_until(lambda: len(told.answers) == 3, 10)
    assert answers(taken, True) == sorted(told.answers)
    assert 0 == in_flight(client, keys)


def test_what_is_someone_elses_is_told_so(consumer, taken, client, keys):
    """Given a lease that has ended, of which the lane does not know."""
    (name,) = client.hkeys(keys.alive("q"))
    client.hset(keys.alive("q"), name, "d1.0")
    told = Told()
    consumer.lane.acknowledge(taken, told)
    assert consumer.loop.run_until(lambda: len(told.answers) == 3, 10)
    assert answers(taken, False) == sorted(told.answers)
    consumer.lane.acknowledge(taken, told)
    assert 6 == len(told.answers), "it knows by now"


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "never-arrived"])
def test_what_a_lost_connection_left_open_is_told_by_the_next(arrived, consumer, taken, transport, client, keys):
    """Whether the first acknowledgement had arrived or not."""
    told = Told()
    consumer.lane.acknowledge(taken, told)
    if arrived:
        consumer.lane._link.flush_fully()
    consumer.lane._link.abort()
    consumer.lane.close()
    assert [] == told.answers
    second = Consuming(transport, consumer.loop, "q")
    try:
        assert consumer.loop.run_until(lambda: len(told.answers) == 3, 10)
    finally:
        second.lane.close()
    assert answers(taken, True) == sorted(told.answers)
    assert 0 == in_flight(client, keys)


def test_what_nobody_will_answer_is_told_at_the_end(consumer, taken, transport):
    """Given a lease that ended, and then a connection that broke before it said so."""
    told = Told()
    consumer.lane.acknowledge(taken, told)
    consumer.lane._become_new(consumer.lane._term)
    assert [] == told.answers
    consumer.lane._link.abort()
    consumer.lane.close()
    assert answers(taken, False) == sorted(told.answers)


class Looking:
    """Stands for a connection; notes what the keeper's thread would see of a term at each command."""

    def __init__(self, look, breaks=False):
        self.seen = []
        self._look = look
        self._breaks = breaks

    def send(self, packed, on_reply):
        self.seen.append(self._look())
        if self._breaks:
            raise BrokerLost("it broke")


class Leaving(dict[int, Any]):
    """Flights; notes what the keeper's thread would see of a term when one has left."""

    def __init__(self, look, flights):
        super().__init__(flights)
        self.seen = []
        self._look = look

    def pop(self, *args):
        flight = super().pop(*args)
        self.seen.append(self._look())
        return flight


def test_what_is_sent_again_is_known_at_every_moment(url, keys):
    """Or a sweep would give back what has ended; also when the sending breaks, for the next lane to repeat it."""
    terms = Terms(locate(url), keys, lease=2.0, timeout=4.0)
    term = terms.take("lane")
    term.unanswered.update({1: (b"", [5], None), 2: (b"", [9], None)})
    ends = Ends(terms, [].append)
    ends.open(breaking := Looking(lambda: sorted(terms.tags(term)), breaks=True))
    with pytest.raises(BrokerLost):
        ends.again([term])
    ends.open(link := Looking(lambda: sorted(terms.tags(term))))
    ends.again([term])
    assert ([[5, 9]], [[5, 9], [5, 9]]) == (breaking.seen, link.seen)
    assert [1, 2] == list(term.unanswered)


def test_what_ends_is_known_at_every_moment(url, keys):
    """It is unanswered before it is in flight no more."""
    terms = Terms(locate(url), keys, lease=2.0, timeout=4.0)
    term = terms.take("lane")
    terms.flights = Leaving(lambda: sorted(set(terms.tags(term))), {5: term, 9: term})
    ends = Ends(terms, [].append)
    ends.open(Looking(list))
    ends.end(term, b"", [5, 9])
    assert {} == terms.flights
    assert [[5, 9], [5, 9]] == terms.flights.seen
