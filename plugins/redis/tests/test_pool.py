from __future__ import annotations

import threading
import time

import pytest

from kernelq.kernel.errors import BackendUnreachable
from kernelq_redis.location import locate
from kernelq_redis.pool import Pool, stale
from kernelq_redis.wire import ReplyError
from kernelq_testkit.child import run_in_child


@pytest.fixture
def make(url):
    made = []

    def make(**given):
        made.append(Pool(locate(url), BackendUnreachable, **{"timeout": 10.0, "limit": 2, "name": "kq-test", **given}))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def ident(wire):
    return wire.call("CLIENT", "ID")


def test_a_connection_is_used_again(make):
    pool = make()
    assert pool.run(ident) == pool.run(ident)


def test_who_comes_too_many_waits_or_is_told(make):
    """For one that is given back; not for ever."""
    pool = make(timeout=0.3)
    first, second = pool.take(), pool.take()
    started = time.monotonic()
    with pytest.raises(BackendUnreachable, match="redis_max_connections"):
        pool.take()
    assert 0.3 <= time.monotonic() - started < 5.3
    pool = make(limit=1)
    wire = pool.take()
    timer = threading.Timer(0.1, pool.give, (wire,))
    timer.start()
    assert wire is pool.take()
    timer.join()
    for pool_, one in ((pool, wire), (pool, first), (pool, second)):
        one.close() if pool_ is None else pool_.drop(one)


def test_a_connection_that_broke_makes_room_for_another(make):
    pool = make(limit=1)
    wire = pool.take()
    timer = threading.Timer(0.1, pool.drop, (wire,))
    timer.start()
    other = pool.take()
    assert other is not wire
    timer.join()
    pool.give(other)


def test_an_old_connection_that_broke_is_replaced_once(make, client):
    """And the second try does what is right for a second try."""
    pool = make()
    killed = pool.run(ident)
    client.client_kill_filter(_id=killed)
    assert "again" == pool.run(ident, lambda wire: "again")
    calls = []

    def broken(wire):
        calls.append(wire)
        raise ConnectionResetError("by the test")

    with pytest.raises(BackendUnreachable, match="by the test"):
        make().run(broken)
    assert 1 == len(calls), "a new connection that breaks is not tried again"


def test_a_refusal_keeps_the_connection(make):
    pool = make()
    before = pool.run(ident)
    with pytest.raises(BackendUnreachable, match="ERR"):
        pool.run(lambda wire: wire.call("NOSUCHCOMMAND"))
    assert before == pool.run(ident)


def test_an_interrupt_in_the_middle_drops_the_connection(make):
    """Its reply may still come, and would be taken for another's."""
    pool = make()
    before = pool.run(ident)

    def interrupted(wire):
        wire.sock.sendall(b"PING\r\n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run(interrupted)
    assert before != pool.run(ident)


def test_answers_that_call_for_another_server():
    assert stale(ReplyError("READONLY You can't write against a read only replica."))
    assert stale(ReplyError("LOADING Redis is loading the dataset in memory"))
    assert not stale(ReplyError("OOM command not allowed when used memory > 'maxmemory'."))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_opens_its_own(make):
    """And its parent's goes on."""
    pool = make()
    mine = pool.run(ident)

    def child():
        assert mine != pool.run(ident)

    assert "" == run_in_child(child)
    assert mine == pool.run(ident)
