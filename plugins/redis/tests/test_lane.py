"""What this lane does beyond the shared contract."""

from __future__ import annotations

import json
import time

import pytest
import redis

from kernelq.delivery import Settlement, Verdict
from kernelq.kernel.errors import BrokerLost, ConfigurationError
from kernelq.outcome import Record
from kernelq_redis import lane as lane_module
from kernelq_redis.backend import RedisBackend
from kernelq_redis.envelope import encode
from kernelq_redis.keys import Keys
from kernelq_redis.transport import RedisTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.messages import message, messages


@pytest.fixture
def loop():
    loop = SteppedLoop()
    yield loop
    loop.close()


@pytest.fixture
def transport(url, settings):
    transport = RedisTransport(url, settings)
    yield transport
    transport.close()


@pytest.fixture
def keys(prefix):
    return Keys(prefix)


@pytest.fixture
def consume(transport, loop):
    opened = []

    def consume(*queues):
        opened.append(Consuming(transport, loop, *queues))
        return opened[-1]

    yield consume
    for one in opened:
        one.lane.close()


@pytest.fixture
def send(transport):
    sender = transport.sender()
    yield lambda *sent: sender.publish_many(sent)
    sender.close()


def in_flight(client, prefix):
    """Return how many messages any consumer has, or had landed."""
    taken = sum(client.hlen(key) for key in client.scan_iter(f"{prefix}kq:u:*", count=10_000))
    return taken + sum(client.llen(key) for key in client.scan_iter(f"{prefix}kq:in:*", count=10_000))


def test_queues_share_the_credit(consume, send):
    """A long queue starves no other, and what one leaves goes to the rest."""
    send(*messages("long", 50), *messages("short", 3))
    lane = consume("long", "short")
    lane.take(10)
    assert {"long": 7, "short": 3} == {
        name: sum(1 for one in lane.deliveries if one.queue == name) for name in ("long", "short")
    }


def test_the_first_of_full_queues_changes(consume, send):
    """With a credit of one, each queue has its turn."""
    send(*messages("a", 3), *messages("b", 3))
    lane = consume("a", "b")
    for _ in range(4):
        lane.settle(lane.take(1))
    assert ["a", "b", "a", "b"] == [one.queue for one in lane.deliveries]


def test_celerys_messages_come_first(consume, client, keys, send):
    """A message in the plain list is the most urgent on Redis, and its number says so here."""
    low, high = message("q"), message("q", priority=9)
    send(low)
    client.lpush(keys.ready("q"), encode(high))
    (first, second) = consume("q").take(2)
    assert [(high.id, 9), (low.id, 0)] == [(one.headers["id"], one.properties["priority"]) for one in (first, second)]


@pytest.mark.parametrize("step", [0, 3, 6, 9])
def test_every_list_wakes_an_idle_lane(step, consume, client, keys):
    """Two of them by a blocking move, the others by a look."""
    lane = consume("q")
    assert lane.quiet(0.3)
    client.lpush(keys.ready("q", step), encode(sent := message("q")))
    assert lane.loop.run_until(lambda: len(lane) == 1, 10)
    assert [sent.id] == lane.ids
    lane.settle(lane.deliveries)


def test_many_queues_have_few_connections(consume, client, keys, send):
    """Those without a waiter are looked at."""
    names = [f"q{number}" for number in range(12)]
    lane = consume(*names)
    assert lane.quiet(0.3)
    send(message("q11"))
    assert lane.loop.run_until(lambda: len(lane) == 1, 10)
    (again,) = lane.deliveries
    assert "q11" == again.queue


def test_what_landed_beyond_the_credit_goes_back(consume, client, keys, prefix, send):
    """An idle lane waits for two lists, with a credit of one: the second message is there for others."""
    lane = consume("q")
    lane.quiet(0.3, credit=1)
    with client.pipeline(transaction=True) as pipe:
        pipe.lpush(keys.ready("q", 0), encode(message("q")))
        pipe.lpush(keys.ready("q", 9), encode(message("q")))
        pipe.execute()
    lane.loop.run_until(lambda: len(lane) == 1, 10)
    assert lane.loop.run_until(lambda: in_flight(client, prefix) == 1, 10)
    assert 1 == sum(client.llen(name) for name in keys.lists("q"))
    assert 1 == len(consume("q").take(1))


def test_a_credit_taken_back_while_the_claim_is_under_way(consume, client, prefix, send):
    """What the answer brings beyond the credit goes back at once, in order, uncounted."""
    sent = messages("q", 5)
    send(*sent)
    lane = consume("q")
    lane.lane.want(5)
    lane.lane.want(1)
    assert lane.loop.run_until(lambda: in_flight(client, prefix) == 1 and len(lane) == 1, 10)
    lane.settle(lane.take(4) and lane.deliveries)
    assert [each.id for each in sent] == lane.ids
    assert [1] * 5 == [one.deliveries for one in lane.deliveries]


def test_garbage_is_buried_and_stops_nobody(consume, client, keys, send, transport):
    """Each piece with its reason; what follows is delivered."""
    corpus = [b"", b"\x00\xff", b"{", b"[]", b"{}", b'{"body": 5}', b'{"body":"","headers":[]}', b" ", b"[" * 5000]
    client.lpush(keys.ready("q", 9), *corpus)
    send(good := message("q"))
    lane = consume("q")
    assert good.id == lane.take(1)[0].headers["id"]
    lane.settle(lane.deliveries)
    assert lane.loop.run_until(lambda: client.llen(keys.dead("q")) == len(corpus), 10)
    letters = transport.admin().dead("q")
    assert [] == [one for one in letters if "cannot be read" not in one.reason]
    assert len(corpus) == lane.lane.info()["buried"] == len(letters)


def test_a_redelivered_message_comes_alone(consume, transport, loop, send):
    """In a batch of its own, with its figure."""
    send(*messages("q", 3))
    first = consume("q")
    taken = first.take(3)
    first.settle(taken[1:2], Verdict.REQUEUE, counted=True)
    first.settle([taken[0], taken[2]], Verdict.REQUEUE)
    first.lane.close()
    batches = []
    lane = transport.lane()
    lane.open(loop, ["q"], batches.append)
    lane.want(10)
    assert loop.run_until(lambda: sum(map(len, batches)) == 3, 10)
    assert [[1, 1], [2]] == [[one.deliveries for one in batch] for batch in batches]
    lane.close()


def test_however_often_it_was_lost_it_comes_again_with_its_count(consume, transport, send):
    """To bury it is its worker's part, which can store a result with that."""
    send(sent := message("q"))
    lane = consume("q")
    for number in (1, 2, 3, 4):
        (one,) = lane.take(1)
        assert number == one.deliveries
        lane.settle([one], Verdict.REQUEUE, counted=True)
    assert [] == transport.admin().dead("q")
    lane.settle(lane.take(1), Verdict.BURY, reason="too often")
    assert lane.quiet(0.5)
    (letter,) = transport.admin().dead("q")
    assert (sent.id, 5, "too often") == (letter.task_id, letter.deliveries, letter.reason)


def test_a_batch_with_a_result_that_cannot_be_stored_changes_nothing(consume, transport, send, url, settings):
    """It can be settled again without it."""
    send(*messages("q", 3))
    lane = consume("q")
    assert lane.lane.commits(RedisBackend(url, settings))
    taken = lane.take(3)
    bad = Record("\ud800", "SUCCESS", b"{}", None)
    with pytest.raises(UnicodeEncodeError):
        lane.lane.settle([Settlement(one, Verdict.ACK, record=bad if one is taken[1] else None) for one in taken])
    assert 3 == lane.lane.info()["in_flight"]
    lane.settle(taken, Verdict.ACK)
    assert lane.quiet(0.5)
    assert [(0, 0, 0)] == [(one.ready, one.in_flight, one.dead) for one in transport.admin().queues()]


def test_begin_is_written_before_it_returns(consume, client, keys, send, prefix):
    """Another connection sees it, though this loop does not turn."""
    send(message("q"))
    lane = consume("q")
    lane.settle(lane.take(1), Verdict.REQUEUE, counted=True)
    (again,) = lane.take(1)
    lane.lane.begin([again])
    ends = time.monotonic() + 10
    while not list(client.scan_iter(f"{prefix}kq:bg:*", count=10_000)) and time.monotonic() < ends:
        pass
    assert 1 == len(list(client.scan_iter(f"{prefix}kq:bg:*", count=10_000)))
    lane.settle([again])
    assert [] == list(client.scan_iter(f"{prefix}kq:bg:*", count=10_000))
    assert 0 == client.exists(keys.counts("q"))


def test_many_delayed_messages_come_in_order_of_their_time(consume, client, keys, monkeypatch):
    """More than one claim makes ready, in a worker that keeps none of them; each to the list of its priority."""
    monkeypatch.setattr(lane_module, "DUE_AT_ONCE", 50)
    sent = messages("q", 300)
    now = time.time()
    for number, one in enumerate(sent):
        client.zadd(keys.delayed("q"), {f"9:{number}": now - 500 + number})
        client.hset(keys.bodies("q"), f"9:{number}", encode(one))
    lane = consume("q")
    lane.take(300)
    assert {one.id for one in sent} == set(lane.ids)
    assert 0 == client.exists(keys.delayed("q"), keys.bodies("q"))


def test_delayed_messages_become_ready_without_credit(consume, client, keys, send):
    """So that other workers, Celery's too, can take them from a worker that is busy."""
    lane = consume("q")
    send(message("q", eta=time.time() + 0.5, priority=9))
    assert lane.loop.run_until(lambda: client.llen(keys.ready("q", 0)) == 1, 10)
    assert 0 == len(lane)


def test_a_due_message_comes_at_its_time(consume, send):
    """Also where the lane knew of a later one only: within a second."""
    lane = consume("q")
    send(message("q", eta=time.time() + 60))
    assert lane.quiet(0.3)
    due = time.time() + 1.0
    send(sent := message("q", eta=due))
    assert lane.loop.run_until(lambda: len(lane) == 1, 10)
    assert [sent.id] == lane.ids
    assert time.time() >= due


def test_results_are_written_once(consume, client, send, url, settings):
    """A stored SUCCESS is never overwritten by a settlement; other states are."""
    backend = RedisBackend(url, settings)
    send(*messages("q", 2))
    lane = consume("q")
    assert lane.lane.commits(backend)
    taken = lane.take(2)
    states = [("a", "STARTED"), ("b", "SUCCESS")]
    for task_id, state in states:
        backend.store_many([Record(task_id, state, json.dumps({"status": state, "by": "first"}).encode(), 60)])
    second = [Record(task_id, "FAILURE", b'{"status": "FAILURE", "by": "second"}', 60) for task_id, _ in states]
    lane.lane.settle(
        [
            Settlement(taken[0], Verdict.ACK, record=second[0]),
            Settlement(taken[1], Verdict.BURY, record=second[1], reason="no"),
        ]
    )
    lane.loop.run_until(lambda: b"second" in backend.get("a"), 10)
    assert [b"second" in backend.get(task_id) for task_id, _ in states] == [True, False]
    backend.close()


def test_a_lost_lease_is_told(consume, client, keys, send):
    """What was in flight is dropped, the lane goes on under a new name."""
    send(*messages("q", 2))
    lane = consume("q")
    told = []
    lane.lane.on_fenced = lambda: told.append("fenced")
    (lost,) = lane.take(1)
    (name,) = client.hkeys(keys.alive("q"))
    client.hset(keys.alive("q"), name, "d1.0")
    lane.settle([lost])
    assert lane.loop.run_until(lambda: lane.lane.info()["fenced"] == 1, 10)
    assert (["fenced"], 0) == (told, lane.lane.info()["in_flight"])
    assert 1 == client.hlen(keys.unacked("q", name.decode()))
    (second,) = lane.take(1)
    lane.settle([second])
    assert 0 == client.llen(keys.ready("q", 9))


def test_a_lane_leaves_nothing_behind(consume, client, prefix, send):
    """After its close there are the names of queues, and no more."""
    send(*messages("q", 5))
    lane = consume("q")
    lane.settle(lane.take(5))
    lane.quiet(0.3)
    lane.lane.close()
    known = (b"kq:queues", b"_kombu.binding.q")
    assert [] == [key for key in client.scan_iter(f"{prefix}*", count=10_000) if not key.endswith(known)]


def test_a_server_that_is_away(settings, loop):
    """BrokerLost from `open`; closing what was never open is nothing."""
    lane = RedisTransport("redis://127.0.0.1:1/0", settings).lane()
    with pytest.raises(BrokerLost, match="127.0.0.1:1"):
        lane.open(loop, ["q"], lambda batch: None)
    lane.close()
    assert lane.depth() is None


def test_a_server_that_drops_data_is_refused(url, settings, loop, monkeypatch):
    """The error says what to type."""
    from kernelq_redis import checks

    monkeypatch.setattr(checks, "_settings", lambda wire: {b"maxmemory-policy": b"allkeys-lru"})
    with pytest.raises(ConfigurationError, match="noeviction"):
        RedisTransport(url, settings).lane().open(loop, ["q"], lambda batch: None)


def test_closing_ends_the_waits(consume, client, send, url):
    """After `close` nothing lands any more: what is published stays in its list."""
    lane = consume("q")
    lane.quiet(0.3)
    lane.lane.close()
    send(message("q"))
    with redis.Redis.from_url(url):
        assert 1 == len(consume("q").take(1))
