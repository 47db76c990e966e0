from __future__ import annotations

import socket
import threading

import pytest

from kernelq_redis.location import locate
from kernelq_redis.wire import ReplyError, Wire, pack


@pytest.fixture
def wire(url):
    wire = Wire(locate(url), 10.0, "kq-test")
    yield wire
    wire.close()


def test_commands_and_their_replies(wire, prefix):
    assert wire.used is False
    assert 1 == wire.call("LPUSH", f"{prefix}a", b"\x00\xff")
    assert wire.used is True
    assert [b"\x00\xff"] == wire.call("LRANGE", f"{prefix}a", 0, -1)
    many, wrong, none = wire.many([("LLEN", f"{prefix}a"), ("GET", f"{prefix}a"), ("GET", f"{prefix}b")])
    assert (1, None) == (many, none)
    assert isinstance(wrong, ReplyError)
    with pytest.raises(ReplyError, match="WRONGTYPE"):
        wire.call("GET", f"{prefix}a")


def test_large_values_both_ways(wire, prefix):
    value = b"x" * 3_000_000
    wire.call("SET", f"{prefix}a", value)
    assert value == wire.call("GET", f"{prefix}a")


class Half:
    """A server that greets, then answers part of a reply, and goes on with it for ever or hangs up."""

    def __init__(self, then):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.then = then
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        peer, _ = self.server.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"+OK\r\n+PONG\r\n")
            peer.recv(65536)
            self.then(peer)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.server.getsockname()[1]}/0"

    def close(self):
        self.server.close()
        self.thread.join(30)


def test_a_reply_that_trickles_has_a_deadline():
    """A byte now and then is no answer."""
    stop = threading.Event()

    def trickle(peer):
        try:
            peer.sendall(b"$100\r\n")
            while not stop.wait(0.05):
                peer.sendall(b"x")
        except OSError:
            pass

    half = Half(trickle)
    wire = Wire(locate(half.url), 0.5, "kq-test")
    with pytest.raises(TimeoutError, match=r"0\.5 seconds"):
        wire.talk(pack(("GET", "a")), 1)
    stop.set()
    wire.close()
    half.close()


def test_a_server_that_hangs_up():
    half = Half(lambda peer: peer.sendall(b"$100\r\nx"))
    wire = Wire(locate(half.url), 10.0, "kq-test")
    with pytest.raises(ConnectionError):
        wire.call("GET", "a")
    wire.close()
    half.close()
