"""Nothing is lost, whatever is killed when: real processes, real servers."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import redis

from kernelq.delivery import Verdict
from kernelq.kernel.errors import BrokerLost
from kernelq_redis.transport import RedisTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.messages import message, messages
from kernelq_testkit.waiting import eventually

PEER = Path(__file__).parent / "lane_peer.py"
FULL = os.environ.get("KERNELQ_TEST_SCALE") == "full"


class Peers:
    """Starts processes of `lane_peer`, and ends what is left of them."""

    def __init__(self):
        self.all = []

    def start(self, *arguments):
        peer = subprocess.Popen(
            [sys.executable, str(PEER), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.all.append(peer)
        return peer

    def up(self, *arguments):
        peer = self.start(*arguments)
        assert peer.stdout.readline().split()[0] in ("up", "holding")
        return peer

    def close(self):
        for peer in self.all:
            with suppress(ProcessLookupError):
                peer.send_signal(signal.SIGCONT)
                peer.kill()
            peer.wait()
            peer.stdin.close()
            peer.stdout.close()


@pytest.fixture
def peers():
    peers = Peers()
    yield peers
    peers.close()


@pytest.fixture
def transport(url, settings):
    transport = RedisTransport(url, settings, lease=4.0)
    yield transport
    transport.close()


@pytest.fixture
def consume(transport):
    loop, opened = SteppedLoop(), []

    def consume(*queues):
        opened.append(Consuming(transport, loop, *queues))
        return opened[-1]

    yield consume
    for one in opened:
        one.lane.close()
    loop.close()


def ended(ledger):
    """Return how often each message was run, and by which processes."""
    lines = [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []
    return Counter(ident for _, ident in lines), {(int(pid), ident) for pid, ident in lines}


def ran(ledger, sent):
    """Tell whether all of `sent` were run."""
    return set(sent) <= set(ended(ledger)[0])


def left(client, prefix):
    """Return the keys that remain of a queue when all is done: none but what names it."""
    known = (b"kq:queues", b"_kombu.binding.q", b"kq:alive:{q}")
    return [key for key in client.scan_iter(f"{prefix}*", count=10_000) if not key.endswith(known)]


@pytest.mark.timeout(1200)  # 300 processes are started one after the other at the full scale
def test_kills_lose_nothing(peers, transport, prefix, url, client, tmp_path):
    """Consumers are killed at any moment, again and again: every message is run, twice only where it was killed."""
    kills = 300 if FULL else 12
    ledger = tmp_path / "ledger"
    sender = transport.sender()
    sent, killed = [], set()
    steady = peers.up("consume", url, prefix, ledger)
    for _ in range(kills):
        victim = peers.start("consume", url, prefix, ledger)
        victim.stdout.readline()
        batch = messages("q", 40)
        sender.publish_many(batch)
        sent += [each.id for each in batch]
        time.sleep(random.uniform(0, 0.02))
        victim.kill()
        victim.wait()
        killed.add(victim.pid)
    eventually(partial(ran, ledger, sent), 60, wanted="every message was run")
    eventually(lambda: left(client, prefix) == [], wanted="nothing is left")
    steady.terminate()
    steady.wait(20)
    sender.close()

    runs, by = ended(ledger)
    doubled = [ident for ident, count in runs.items() if count > 1]
    assert [] == [ident for ident in doubled if not any((pid, ident) in by for pid in killed)]


@pytest.mark.parametrize(
    ("step", "idle", "comes_again"),
    [
        ("_claimed", "busy", True),
        ("_hand_over", "busy", True),
        ("delivered", "busy", True),
        ("_settled", "busy", False),
        ("_landed", "idle", True),
        ("delivered", "idle", True),
    ],
)
def test_killed_between_two_steps(step, idle, comes_again, peers, transport, prefix, url, consume, client):
    """Whichever answer a consumer does not live to read: what it had taken comes again, what was settled does not."""
    sender = transport.sender()
    peer = peers.up("die", url, prefix, step, idle)
    sender.publish(sent := message("q"))
    sender.close()
    if idle != "idle":
        peer.stdin.write("go\n")
        peer.stdin.flush()
    assert -signal.SIGKILL == peer.wait(30)
    lane = consume("q")
    if comes_again:
        assert sent.id == lane.take(1)[0].headers["id"]
        lane.settle(lane.deliveries)
    assert lane.quiet(1.0)
    lane.lane.close()
    eventually(lambda: left(client, prefix) == [])


def test_the_message_of_a_stopped_worker_runs_elsewhere(peers, transport, prefix, url, consume, client):
    """After its lease another has the message; when it wakes up, its settlement changes nothing and it is told."""
    sender = transport.sender()
    sender.publish(sent := message("q"))
    sender.close()
    peer = peers.up("hold", url, prefix)
    peer.send_signal(signal.SIGSTOP)
    lane = consume("q")
    (again,) = lane.take(1)
    assert (sent.id, 2) == (again.headers["id"], again.deliveries)
    peer.send_signal(signal.SIGCONT)
    peer.stdin.write("settle\n")
    peer.stdin.flush()
    assert "fenced 1" == peer.stdout.readline().strip()
    lane.settle([again], Verdict.REQUEUE)
    assert sent.id == lane.take(1)[0].headers["id"]


class Server:
    """A Redis of the test's own, which it may stop and start."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "always"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        eventually(self._answers, 30)

    def _answers(self):
        with suppress(redis.ConnectionError), redis.Redis.from_url(self.url) as client:
            return client.ping()

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_forgotten_scripts_are_loaded_again(server, peers, settings, prefix, tmp_path):
    """SCRIPT FLUSH while tasks run: every message is run exactly once."""
    ledger = tmp_path / "ledger"
    sender = RedisTransport(server.url, settings).sender()
    peer = peers.up("consume", server.url, prefix, ledger)
    sent = []
    for _ in range(20):
        with redis.Redis.from_url(server.url) as client:
            client.script_flush()
        batch = messages("q", 20)
        sender.publish_many(batch)
        sent += [each.id for each in batch]
    eventually(partial(ran, ledger, sent), 30, wanted="every message was run")
    peer.terminate()
    peer.wait(20)
    sender.close()
    assert [1] * len(sent) == [ended(ledger)[0][ident] for ident in sent]


def test_a_killed_server_comes_back(server, peers, settings, prefix, tmp_path):
    """Redis is killed and started again, while tasks run and while nothing does: every accepted message is run."""
    ledger = tmp_path / "ledger"
    transport = RedisTransport(server.url, settings)
    sent = []
    peer = peers.up("consume", server.url, prefix, ledger)
    for busy in (True, False, True):
        sender = transport.sender()
        batch = messages("q", 200)
        sender.publish_many(batch)
        sender.close()
        sent += [each.id for each in batch]
        if not busy:
            eventually(partial(ran, ledger, sent), 30)
        server.kill()
        server.start()
    eventually(partial(ran, ledger, sent), 30, wanted="every message was run")
    with redis.Redis.from_url(server.url) as client:
        eventually(lambda: left(client, prefix) == [], wanted="nothing is left")
    peer.terminate()
    peer.wait(20)
    assert [1] * len(sent) == [ended(ledger)[0][ident] for ident in sent]


def nothing_is_left(client, prefix):
    assert [] == left(client, prefix)
    return True


@pytest.mark.parametrize("name", ["kernelq-lane", "kernelq-wait", "kernelq-lease"])
def test_killed_connections_double_nothing(name, server, peers, settings, prefix, tmp_path):
    """CLIENT KILL, again and again, of each kind of connection: every message is run exactly once."""
    ledger = tmp_path / "ledger"
    sender = RedisTransport(server.url, settings).sender()
    peer = peers.up("consume", server.url, prefix, ledger)
    sent = []
    client = redis.Redis.from_url(server.url)
    for _ in range(10):
        batch = messages("q", 50)
        sender.publish_many(batch)
        sent += [each.id for each in batch]
        time.sleep(random.uniform(0, 0.02))
        for one in client.client_list():
            if one["name"] == name:
                with suppress(redis.ResponseError):
                    client.execute_command("CLIENT", "KILL", "ID", one["id"])
    eventually(partial(ran, ledger, sent), 60, wanted="every message was run")
    eventually(partial(nothing_is_left, client, prefix))
    peer.terminate()
    peer.wait(20)
    sender.close()
    client.close()
    assert [1] * len(sent) == [ended(ledger)[0][ident] for ident in sent]


class Proxy(threading.Thread):
    """Passes bytes on until it is frozen; then sockets stay open and nothing moves."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.moving = threading.Event()
        self.moving.set()
        self.start()

    def run(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                self.moving.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.close()

    def close(self):
        self.moving.set()
        self._server.close()


@contextmanager
def proxied(server):
    proxy = Proxy(server.port)
    try:
        yield proxy
    finally:
        proxy.close()


def test_a_silent_network_is_noticed(server, settings):
    """Sockets stay open and nothing is forwarded: the lane gives up in time, and the next one goes on."""
    with proxied(server) as proxy:
        transport = RedisTransport(f"redis://127.0.0.1:{proxy.port}/0", settings)
        loop = SteppedLoop()
        lane = Consuming(transport, loop, "q")
        lane.lane.want(1)
        loop.run_for(0.2)
        proxy.moving.clear()
        began = time.monotonic()
        with pytest.raises(BrokerLost, match="no answer"):
            loop.run_for(30)
        assert time.monotonic() - began < 20
        lane.lane.close()
        proxy.moving.set()
        again = Consuming(transport, loop, "q")
        sender = RedisTransport(server.url, settings).sender()
        sender.publish(sent := message("q"))
        sender.close()
        assert sent.id == again.take(1)[0].headers["id"]
        again.lane.close()
        loop.close()


def test_a_full_server_is_drained(server, settings):
    """Nothing may be added, but what is there is taken, settled, deferred, and also what is due comes."""
    transport = RedisTransport(server.url, settings)
    sender = transport.sender()
    sender.publish_many([*messages("q", 20), message("q", eta=time.time() + 0.5)])
    sender.close()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 1)
        loop = SteppedLoop()
        lane = Consuming(transport, loop, "q")
        lane.settle(lane.take(5), Verdict.DEFER, eta=time.time())
        lane.settle(lane.take(5), Verdict.REQUEUE, counted=True)
        lane.settle(lane.take(21))
        assert lane.quiet(0.5)
        client.config_set("maxmemory", 0)
        sender = transport.sender()
        sender.publish(message("q"))
        sender.close()
        lane.settle(lane.take(1))
        lane.lane.close()
        loop.close()
        assert [] == left(client, settings.broker_transport_options["global_keyprefix"])
