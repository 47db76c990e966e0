"""The connection that never blocks, against a real server."""

from __future__ import annotations

import socket
import time

import pytest

from kernelq.kernel.errors import BrokerLost
from kernelq_redis import link as link_module
from kernelq_redis.link import Link
from kernelq_redis.location import locate
from kernelq_redis.scripts import JOIN, call
from kernelq_redis.wire import ReplyError, Wire, pack
from kernelq_worker.loop import WorkerLoop


class Loop(WorkerLoop):
    """The worker's, which watches a descriptor for reading and for writing at once."""

    def run_until(self, condition, timeout=60.0):
        ends = time.monotonic() + timeout
        while not condition() and time.monotonic() < ends:
            self.turn(0.05)
        return bool(condition())


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def link(url, loop):
    location = locate(url)
    link = Link(Wire(location, 4.0, "kernelq-test"), location, loop, at_once=4096)
    yield link
    link.abort()


def test_answers_come_in_order(link, loop):
    """Several commands in one write, answered one by one."""
    got = []
    for number in range(5):
        link.send(pack(("ECHO", number)), got.append)
    assert got == []
    link.flush()
    assert loop.run_until(lambda: len(got) == 5)
    assert [b"0", b"1", b"2", b"3", b"4"] == got


def test_more_than_a_socket_takes(link, loop, prefix):
    """What does not fit is written when it does, and read in parts."""
    got, large = [], b"x" * 20_000_000
    link.send(pack(("SET", f"{prefix}large", large)), got.append)
    link.send(pack(("GET", f"{prefix}large")), got.append)
    link.flush()
    assert loop.run_until(lambda: len(got) == 2, 20)
    assert [b"OK", large] == got


def test_flush_fully_returns_when_all_is_written(link, loop, prefix):
    """Without the loop."""
    got = []
    link.send(pack(("SET", f"{prefix}large", b"x" * 20_000_000)), got.append)
    link.flush_fully()
    assert loop.run_until(lambda: got, 20)


def test_wait_turns_no_loop(link):
    """For the end, when nobody does; also for what an answer led to."""
    got = []
    link.send(pack(("ECHO", "a")), lambda answer: link.send(pack(("ECHO", answer)), got.append))
    link.wait(5.0)
    assert [b"a"] == got


def test_a_forgotten_script_is_loaded(start_server, loop, prefix):
    """NOSCRIPT is no error."""
    location = locate(start_server().url)
    link = Link(Wire(location, 4.0, "kernelq-test"), location, loop)
    got = []
    link.send(call(JOIN, [f"{prefix}alive"], ["c", 1]), got.append)
    link.flush()
    assert loop.run_until(lambda: got)
    assert [[1]] == got
    link.abort()


def test_a_refusal_ends_the_connection(link, loop):
    """Unless it was foreseen."""
    got = []
    link.send(pack(("NONSENSE",)), got.append, refusable=True)
    link.flush()
    assert loop.run_until(lambda: got)
    assert isinstance(got[0], ReplyError)
    link.send(pack(("NONSENSE",)), got.append)
    link.flush()
    with pytest.raises(BrokerLost, match="unknown command"):
        loop.run_until(lambda: False, 5)
    assert not link.usable


def test_a_closed_connection_is_lost(link, loop, client):
    """The server says so; and aborting twice is once."""
    got = []
    link.send(pack(("CLIENT", "ID")), got.append)
    link.flush()
    loop.run_until(lambda: got)
    client.execute_command("CLIENT", "KILL", "ID", got[0])
    with pytest.raises(BrokerLost):
        loop.run_until(lambda: False, 5)
    link.abort()


class Plain:
    """A wire to nobody in particular."""

    def __init__(self, sock):
        self.sock = sock

    def close(self):
        self.sock.close()


def test_silence_is_noticed(loop, monkeypatch):
    """An answer is due for too long."""
    monkeypatch.setattr(link_module, "SILENCE", 0.2)
    near, far = socket.socketpair()
    link = Link(Plain(near), locate("redis://127.0.0.1/0"), loop)
    link.check()
    link.send(pack(("PING",)), lambda answer: None)
    link.flush()
    loop.run_until(lambda: False, 0.3)
    with pytest.raises(BrokerLost, match="no answer"):
        link.check()
    far.close()


def test_what_was_not_asked_is_no_answer(loop):
    """A peer that speaks first, or nonsense, is no Redis."""
    near, far = socket.socketpair()
    link = Link(Plain(near), locate("redis://127.0.0.1/0"), loop)
    far.sendall(b"+OK\r\n")
    with pytest.raises(BrokerLost, match="not asked"):
        loop.run_until(lambda: False, 5)
    assert not link.usable
    far.close()
