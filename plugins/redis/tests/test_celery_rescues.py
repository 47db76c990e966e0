"""What a lane holds in kombu's hash too, so that Celery's workers rescue it: kombu's own code is the rescuer here."""

from __future__ import annotations

import json
import time

import pytest
from kombu import Connection

from kernelq.delivery import Verdict
from kernelq.kernel.errors import ConfigurationError
from kernelq_redis.keys import Keys
from kernelq_redis.lease import Keeper
from kernelq_redis.location import locate
from kernelq_redis.recovery import give_back
from kernelq_redis.scripts import ALL, LIFT, LOAD, call, run
from kernelq_redis.transport import RedisTransport
from kernelq_redis.wire import Wire
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.messages import message, messages

LONG_AGO = 1.0


@pytest.fixture
def keys(prefix):
    return Keys(prefix)


@pytest.fixture
def transport(url, settings):
    settings.broker_transport_options |= {"celery_rescues": True, "visibility_timeout": 3600}
    transport = RedisTransport(url, settings)
    yield transport
    transport.close()


@pytest.fixture
def consumer(transport):
    loop = SteppedLoop()
    consumer = Consuming(transport, loop, "q")
    yield consumer
    consumer.lane.close()
    loop.close()


@pytest.fixture
def send(transport):
    sender = transport.sender()
    yield lambda *sent: sender.publish_many(sent)
    sender.close()


@pytest.fixture
def wire(url):
    wire = Wire(locate(url), 4.0, "kernelq-test")
    wire.talk(LOAD, len(ALL))
    yield wire
    wire.close()


@pytest.fixture
def rescue(url, prefix):
    """Do what a Celery worker does now and then."""
    with Connection(url, transport_options={"global_keyprefix": prefix, "visibility_timeout": 60}) as connection:
        channel = connection.default_channel
        yield lambda: channel.qos.restore_visible(interval=1)


@pytest.fixture
def held(client, prefix):
    """Return kombu's entries, and their scores."""

    def held():
        scores = dict(client.zrange(f"{prefix}unacked_index", 0, -1, withscores=True))
        return client.hgetall(f"{prefix}unacked"), scores

    return held


@pytest.fixture
def age(client, prefix):
    """Let all entries have been taken long ago."""

    def age(*fields):
        index = f"{prefix}unacked_index"
        client.zadd(index, dict.fromkeys(fields or client.zrange(index, 0, -1), LONG_AGO), xx=True)

    return age


def ready(client, keys):
    return [json.loads(raw)["headers"]["id"] for key in keys.lists("q") for raw in client.lrange(key, 0, -1)[::-1]]


def consumer_name(client, keys):
    return next(name.decode() for name in client.hkeys(keys.alive("q")))


def in_flight(client, keys):
    return client.hlen(keys.unacked("q", consumer_name(client, keys)))


def test_a_claim_is_entered_as_kombu_reads_it(consumer, send, held):
    """The message as it is, no exchange, and the queue that it goes back to."""
    sent = message("q")
    before = time.time()
    send(sent)
    consumer.take(1)
    entries, scores = held()
    ((found, exchange, key),) = map(json.loads, entries.values())
    assert (sent.id, "", "q") == (found["headers"]["id"], exchange, key)
    assert list(entries) == list(scores)
    assert before - 5 < next(iter(scores.values())) < time.time() + 5


@pytest.mark.parametrize("verdict", list(Verdict), ids=lambda verdict: verdict.name)
def test_a_settlement_removes_the_entry(verdict, consumer, send, held):
    """However it ends."""
    send(*messages("q", 3))
    consumer.settle(consumer.take(3), verdict, eta=time.time() + 60)
    assert consumer.loop.run_until(lambda: ({}, {}) == held(), 10)


def test_celery_rescues_what_was_not_renewed(consumer, send, rescue, age, held, client, keys):
    """It goes to the list that it came from."""
    sent = messages("q", 3)
    send(*sent)
    consumer.take(3)
    age()
    rescue()
    assert sorted(one.id for one in sent) == sorted(ready(client, keys))
    assert ({}, {}) == held()


def test_a_rescued_message_is_not_given_back_again(consumer, send, rescue, age, client, keys, transport, wire):
    """Given that Celery has rescued one of two, when KernelQ recovers, it gives back the other one alone."""
    send(*messages("q", 2))
    consumer.take(2)
    first, _ = client.zrange(f"{keys.prefix}unacked_index", 0, -1)
    age(first)
    rescue()
    name = consumer_name(client, keys)
    seen = client.hget(keys.alive("q"), name)
    assert 1 == give_back(transport._terms, wire, "q", name, "reap", seen)
    assert 2 == len(ready(client, keys)) == len(set(ready(client, keys)))


def test_what_was_given_back_is_not_rescued(consumer, send, rescue, age, client, keys, transport, wire, held):
    """Recovery removes kombu's entries in the same step."""
    send(*messages("q", 3))
    consumer.take(3)
    age()
    name = consumer_name(client, keys)
    assert 3 == give_back(transport._terms, wire, "q", name, "reap", client.hget(keys.alive("q"), name))
    rescue()
    assert ({}, {}) == held()
    assert 3 == len(ready(client, keys))


@pytest.mark.parametrize("verdict", list(Verdict), ids=lambda verdict: verdict.name)
def test_a_late_settlement_of_what_was_rescued_changes_nothing(
    verdict, consumer, send, rescue, age, client, keys
):  # fmt: skip
    """The lane learns that it slept for too long, and all that it has belongs to others."""
    send(message("q"))
    fenced = []
    consumer.lane.on_fenced = lambda: fenced.append(True)
    taken = consumer.take(1)
    age()
    rescue()
    consumer.settle(taken, verdict, eta=time.time() + 60)
    assert consumer.loop.run_until(lambda: fenced, 10)
    assert (1, 0, 0) == (len(ready(client, keys)), client.zcard(keys.delayed("q")), client.llen(keys.dead("q")))


def test_a_renewal_lifts_the_scores(consumer, send, age, client, keys, transport, wire, held):
    """And tells where it came too late."""
    send(*messages("q", 2))
    consumer.take(2)
    age()
    Keeper(transport._terms)._lift(wire, next(iter(transport._terms.all())))
    entries, scores = held()
    assert all(score > time.time() - 60 for score in scores.values())
    client.hdel(f"{keys.prefix}unacked", *entries)
    client.delete(f"{keys.prefix}unacked_index")
    name = consumer_name(client, keys)
    packed = call(LIFT, [keys.alive("q"), keys.unacked("q", name), *keys.rescues(name)], [name])
    assert -1 == run(wire, packed)


def test_what_cannot_be_read_is_none_of_celerys_business(consumer, client, keys, prefix, held):
    """It is buried, and no Celery worker stumbles over it meanwhile."""
    client.lpush(keys.ready("q"), b"no message", b"{}")
    consumer.lane.want(5)
    assert consumer.loop.run_until(lambda: client.llen(keys.dead("q")) == 2, 10)
    assert consumer.loop.run_until(lambda: ({}, {}) == held(), 10)


def test_an_idle_lane_takes_nothing_that_celery_could_not_see(consumer, client, keys, send):
    """It is woken, and claims; nothing lands in a list of its own."""
    assert consumer.quiet(0.3)
    sent = message("q")
    send(sent)
    assert consumer.loop.run_until(lambda: [sent.id] == consumer.ids, 10)
    assert 1 == in_flight(client, keys) == client.hlen(f"{keys.prefix}unacked")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"celery_rescues": "yes"}, "celery_rescues='yes'"),
        ({"celery_rescues": True, "visibility_timeout": 0}, "visibility_timeout=0"),
        ({"celery_rescues": True, "visibility_timeout": "1h"}, "visibility_timeout='1h'"),
    ],
    ids=["no-bool", "no-time", "text"],
)
def test_a_bad_value_is_named(given, named, url, settings):
    """With what to type instead."""
    settings.broker_transport_options |= given
    with pytest.raises(ConfigurationError, match=named) as raised:
        RedisTransport(url, settings)
    assert '"celery_rescues": True' in str(raised.value)
