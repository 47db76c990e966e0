"""The fault proxy: what each fault does to a connection, to a plain server and to a real Redis."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from urllib.parse import urlsplit

import pytest
import redis

from kernelq_testkit import Fault, Way, eventually

SILENCE = 0.3


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.got = bytearray()
        self.ended = threading.Event()
        self.reset = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(connection,), daemon=True).start()

    def echo(self, connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    self.got += data
                    connection.sendall(data)
                self.ended.set()
            except OSError:
                self.reset.set()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()


@pytest.fixture
def proxy(fault_proxy, echo):
    return fault_proxy("127.0.0.1", echo.port)


@pytest.fixture
def client(proxy):
    with socket.create_connection(proxy.address, timeout=30) as client:
        client.sendall(b"hello")
        assert b"hello" == exactly(client, 5)
        yield client


def exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data


def ask(proxy):
    """Return what a new connection gets back, or raise ConnectionError."""
    with socket.create_connection(proxy.address, timeout=30) as other:
        other.sendall(b"x")
        if not (got := other.recv(1)):
            raise ConnectionAbortedError
        return got


def silent(sock, seconds=SILENCE):
    sock.settimeout(seconds)
    try:
        return sock.recv(1) is None
    except TimeoutError:
        return True
    finally:
        sock.settimeout(30)


def test_pass_both_ways(proxy, client, echo):
    """Much, and the end of one direction while the other goes on."""
    sent = os.urandom(3_000_000)
    threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR))).start()

    assert sent == exactly(client, len(sent))
    assert b"" == client.recv(1)
    assert echo.ended.wait(30)
    assert 1 == proxy.connections
    assert {Way.TO_SERVER: len(sent) + 5, Way.TO_CLIENT: len(sent) + 5} == proxy.passed
    eventually(lambda: proxy.open == 0)


def test_delay(proxy, client):
    """Each piece comes so much later, and in order."""
    proxy.set(Fault.DELAY, Way.TO_SERVER, seconds=0.4)
    began = time.monotonic()
    client.sendall(b"a")
    client.sendall(b"b")

    assert b"ab" == exactly(client, 2)
    assert time.monotonic() - began >= 0.4


def test_drop_one_way(proxy, client, echo):
    """The server hears, and the client hears nothing of it, ever."""
    proxy.set(Fault.DROP, Way.TO_CLIENT)
    client.sendall(b"x")
    eventually(lambda: echo.got.endswith(b"x"))
    assert silent(client)

    proxy.set(Fault.NONE)
    client.sendall(b"y")
    assert b"y" == client.recv(10)


def test_freeze_both_ways(proxy, client, echo):
    """Nothing comes, nothing is closed, and all of it comes when it ends; a new connection is as silent."""
    proxy.set(Fault.FREEZE)
    client.sendall(b"x")
    assert silent(client)
    assert 1 == proxy.open
    assert not echo.ended.is_set()
    with socket.create_connection(proxy.address, timeout=30) as other:
        other.sendall(b"z")
        assert silent(other)

        proxy.set(Fault.NONE)
        assert b"x" == client.recv(10)
        assert b"z" == other.recv(10)


def test_silence_for_those_that_are_open(proxy, client):
    """A new connection is served; the old one never again."""
    proxy.silence()
    client.sendall(b"x")
    assert b"x" == ask(proxy)
    assert silent(client)


def test_reset(proxy, client, echo):
    """Both ends get RST, and so does who connects anew, until it is over."""
    proxy.set(Fault.RESET)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert echo.reset.wait(30)
    with pytest.raises(ConnectionError):
        ask(proxy)

    proxy.set(Fault.NONE)
    assert b"x" == ask(proxy)


def test_reset_once(proxy, client):
    """The connections there are; the next is served."""
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert b"x" == ask(proxy)
    assert 2 == proxy.connections


def test_cut_in_the_middle(proxy, client, echo):
    """Half of what was sent comes, then the end."""
    proxy.set(Fault.CUT, Way.TO_CLIENT)
    client.sendall(b"12345678")

    assert b"1234" == exactly(client, 8)
    eventually(lambda: echo.ended.is_set() or echo.reset.is_set())
    assert 0 == proxy.open


def test_trickle(proxy, client):
    """One byte at a time; what is still held comes at once when it is over."""
    proxy.set(Fault.TRICKLE, Way.TO_CLIENT, seconds=0.2)
    began = time.monotonic()
    client.sendall(b"12345678")
    assert b"123" == exactly(client, 3)
    assert time.monotonic() - began >= 0.6

    proxy.set(Fault.NONE)
    assert b"45678" == exactly(client, 5)


def test_a_server_that_is_away(fault_proxy, echo):
    """The client is reset, as by a host whose port is closed."""
    echo.listener.shutdown(socket.SHUT_RDWR)
    echo.listener.close()
    proxy = fault_proxy("127.0.0.1", echo.port)
    with pytest.raises(ConnectionError):
        ask(proxy)
    echo.listener = socket.create_server(("127.0.0.1", 0))


# -- a real server


@pytest.fixture
def server():
    return urlsplit(os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15"))


@pytest.fixture
def between(fault_proxy, server):
    return fault_proxy(server.hostname, server.port or 6379)


@pytest.fixture
def store(between, server):
    client = redis.Redis(
        *between.address, password=server.password, username=server.username, db=int(server.path.strip("/") or 0),
        socket_timeout=0.5, retry=None,
    )  # fmt: skip
    with client:
        client.ping()
        yield client


@pytest.mark.broker
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.FREEZE, redis.TimeoutError),
        (Fault.DROP, redis.TimeoutError),
        (Fault.TRICKLE, redis.TimeoutError),
        (Fault.RESET, redis.ConnectionError),
        (Fault.CUT, redis.ConnectionError),
    ],
)
def test_redis_behind_a_fault(between, store, fault, error):
    """A client of it notices, in its own way, and goes on when it is over."""
    between.set(fault, Way.TO_CLIENT, seconds=1.0)
    with pytest.raises(error):
        store.ping()

    between.set(Fault.NONE)
    assert store.ping()


@pytest.mark.broker
def test_redis_with_a_delay(between, store):
    """Commands take longer, and work."""
    key = f"kit-{uuid.uuid4().hex}"
    between.set(Fault.DELAY, seconds=0.1)
    began = time.monotonic()
    store.set(key, "value", ex=60)

    assert b"value" == store.get(key)
    assert time.monotonic() - began >= 0.4
    store.delete(key)
