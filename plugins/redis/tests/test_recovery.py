"""What dead consumers had comes back, counted as the promises say."""

from __future__ import annotations

from functools import partial

import pytest

from kernelq_redis import recovery as recovery_module
from kernelq_redis.envelope import encode, fingerprint
from kernelq_redis.keys import Keys
from kernelq_redis.lease import Keeper
from kernelq_redis.location import locate
from kernelq_redis.recovery import Recovery, give_back
from kernelq_redis.scripts import ALL, JOIN, LOAD, call, run
from kernelq_redis.terms import Terms
from kernelq_redis.watch import Watch
from kernelq_redis.wire import Wire
from kernelq_testkit.messages import message, messages
from kernelq_testkit.waiting import eventually


@pytest.fixture
def keys(prefix):
    return Keys(prefix)


@pytest.fixture
def wire(url):
    wire = Wire(locate(url), 4.0, "kernelq-test")
    wire.talk(LOAD, len(ALL))
    yield wire
    wire.close()


@pytest.fixture
def terms(url, keys):
    return Terms(locate(url), keys, lease=2.0, timeout=4.0)


def had(client, keys, raws, name="dead", step=3):
    """Let a consumer have messages in flight, as its claim would have left them."""
    client.hset(keys.alive("q"), name, "1.0")
    for number, raw in enumerate(raws):
        client.hset(keys.unacked("q", name), 4 * number + step, raw)


def reap(terms, wire, name="dead"):
    return give_back(terms, wire, "q", name, "reap", b"1.0")


def test_what_was_in_flight_goes_back_in_order(terms, wire, keys, client):
    """To the list it came from, to the end that is taken next, marked; also more than one call gives back."""
    raws = [encode(one) for one in messages("q", 5)]
    waiting = encode(message("q"))
    client.lpush(keys.ready("q", 9), waiting)
    had(client, keys, raws)
    recovery_module.AT_ONCE, before = 2, recovery_module.AT_ONCE
    try:
        assert 5 == reap(terms, wire)
    finally:
        recovery_module.AT_ONCE = before
    assert [raw + b" " for raw in raws] + [waiting] == client.lrange(keys.ready("q", 9), 0, -1)[::-1]
    assert {fingerprint(raw + b" "): b"1" for raw in raws} == {
        name.decode(): count for name, count in client.hgetall(keys.counts("q")).items()
    }
    assert client.hget(keys.alive("q"), "dead").startswith(b"d")


def test_only_what_had_begun_counts_again(terms, wire, keys, client):
    """The first lost owner always counts, a further one only if it had begun the message."""
    raw = encode(message("q")) + b" "
    for begun, count in ((False, b"1"), (False, b"1"), (True, b"2"), (False, b"2")):
        had(client, keys, [raw])
        if begun:
            client.sadd(keys.begun("q", "dead"), 3)
        reap(terms, wire)
        assert raw == client.rpop(keys.ready("q", 9))
        assert count == client.hget(keys.counts("q"), fingerprint(raw))
        client.hdel(keys.alive("q"), "dead")


def test_however_often_it_was_lost_it_goes_back(terms, wire, keys, client):
    """With its count: the worker that takes it next buries it, with a result."""
    raw = encode(message("q")) + b" "
    client.hset(keys.counts("q"), fingerprint(raw), 1000)
    had(client, keys, [raw])
    client.sadd(keys.begun("q", "dead"), 3)
    assert 1 == reap(terms, wire)
    assert [raw] == client.lrange(keys.ready("q", 9), 0, -1)
    assert b"1001" == client.hget(keys.counts("q"), fingerprint(raw))
    assert 0 == client.exists(keys.dead("q"), keys.begun("q", "dead"))


def test_what_landed_goes_back_uncounted(terms, wire, keys, client):
    """Nobody has seen it."""
    raw = encode(message("q"))
    had(client, keys, [])
    for step in (0, 9):
        client.lpush(keys.landing("q", "dead", step), raw)
    assert 2 == reap(terms, wire)
    assert [raw, raw] == [client.rpop(keys.ready("q", step)) for step in (0, 9)]
    assert 0 == client.exists(keys.counts("q"))


def test_who_renewed_meanwhile_is_left_alone(terms, wire, keys, client):
    """What the observer saw is what the script must see."""
    had(client, keys, [encode(message("q"))])
    client.hset(keys.alive("q"), "dead", "2.0")
    assert 0 == reap(terms, wire)
    assert 1 == client.hlen(keys.unacked("q", "dead"))


def test_a_turn_finds_the_dead_and_spares_its_own(terms, wire, keys, client):
    """Two leases agree: by the observer's clock, and the server's."""
    clock = [100.0]
    recovery = Recovery(terms, Watch(2.0, lambda: clock[0]))
    own = terms.take("lane")
    own.queues = ["q"]
    run(wire, call(JOIN, [keys.alive("q")], [own.name, 1]))
    client.hset(keys.alive("q"), own.name, "1.0")
    had(client, keys, [encode(message("q"))])
    for _ in range(4):
        recovery.turn(wire)
        clock[0] += 1.0
    assert 1 == client.llen(keys.ready("q", 9))
    assert b"1.0" == client.hget(keys.alive("q"), own.name)


def test_an_old_term_gives_back_what_it_does_not_know(terms, wire, keys, client):
    """Its answer was lost with its connection; what is known stays until it is settled, then the term ends."""
    old = terms.take("first lane")
    old.queues = ["q"]
    run(wire, call(JOIN, [keys.alive("q")], [old.name, 1]))
    known, unknown = (encode(one) for one in messages("q", 2))
    client.hset(keys.unacked("q", old.name), mapping={7: known, 11: unknown})
    terms.flights[7] = old
    terms.park(old)
    recovery = Recovery(terms, Watch(2.0))
    recovery.turn(wire)
    assert 2 == client.hlen(keys.unacked("q", old.name)), "nobody has taken it over yet"
    terms.inherit("second lane")
    recovery.turn(wire)
    assert [unknown] == client.lrange(keys.ready("q", 9), 0, -1)
    assert {b"7": known} == client.hgetall(keys.unacked("q", old.name))
    del terms.flights[7]
    client.hdel(keys.unacked("q", old.name), 7)
    recovery.turn(wire)
    assert old not in terms.all()
    assert client.hget(keys.alive("q"), old.name).startswith(b"d")


def test_the_keeper_renews_until_it_rests(terms, keys, client, wire):
    """Again and again; its thread ends when it is told to."""
    term = terms.take("lane")
    term.queues = ["q"]
    run(wire, call(JOIN, [keys.alive("q")], [term.name, 1]))
    seen = set()

    def renewed():
        seen.add(client.hget(keys.alive("q"), term.name))
        return len(seen) >= 3

    keeper = Keeper(terms)
    keeper.start()
    eventually(renewed)
    keeper.stop()
    keeper.join()


def test_the_keeper_tells_of_a_lost_lease(terms, keys, client):
    """A term that others found dead is not renewed."""
    term = terms.take("lane")
    term.queues = ["q"]
    client.hset(keys.alive("q"), term.name, "d1.0")
    terms.keep()
    eventually(partial(getattr, term, "lost"))
    assert b"d1.0" == client.hget(keys.alive("q"), term.name)
    terms.drop(term)
