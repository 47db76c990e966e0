"""A small loop, and the transport on a file of the test's own."""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from collections import deque
from types import SimpleNamespace

import pytest

from kernelq.delivery import Settlement, Verdict
from kernelq.message import Message
from kernelq_testkit.waiting import patience


class TinyLoop:
    """The contract `Loop` in a few lines: one selector, one heap of timers."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.soon = deque()
        self.timers = []
        self.serial = itertools.count()

    def add_reader(self, fd, callback, *args):
        self.selector.register(fd, selectors.EVENT_READ, (callback, args))

    def remove_reader(self, fd):
        if fd in self.selector.get_map():
            self.selector.unregister(fd)

    def call_soon(self, callback, *args):
        self.soon.append((callback, args))

    def call_later(self, seconds, callback, *args):
        timer = SimpleNamespace(cancelled=False)
        timer.cancel = lambda: setattr(timer, "cancelled", True)
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.serial), timer, callback, args))
        return timer

    def call_repeatedly(self, seconds, callback, *args):
        outer = SimpleNamespace(cancelled=False)
        outer.cancel = lambda: setattr(outer, "cancelled", True)

        def again():
            if not outer.cancelled:
                callback(*args)
                self.call_later(seconds, again)

        self.call_later(seconds, again)
        return outer

    def once(self, longest=0.05):
        """One turn: what is due, then what can be read."""
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, _, timer, callback, args = heapq.heappop(self.timers)
            if not timer.cancelled:
                self.soon.append((callback, args))
        for _ in range(len(self.soon)):
            callback, args = self.soon.popleft()
            callback(*args)
        wait = 0 if self.soon else longest
        if self.timers:
            wait = max(0, min(wait, self.timers[0][0] - time.monotonic()))
        if not self.selector.get_map():
            time.sleep(wait)
            return
        for key, _ in self.selector.select(wait):
            callback, args = key.data
            callback(*args)

    def until(self, condition, seconds=30.0):
        """Turn until `condition()` is true; fails the test after `seconds`."""
        seconds = patience(seconds)
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s"
            self.once()

    def run(self, seconds):
        """Turn for some time: for what must not happen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.once()

    def close(self):
        self.selector.close()


class Consumer:
    """A lane, its loop, and what it was given."""

    def __init__(self, transport, queues=("q",), credit=10):
        self.loop = TinyLoop()
        self.lane = transport.lane()
        self.batches = []
        self.lane.open(self.loop, queues, self.batches.append)
        self.lane.want(credit)

    @property
    def got(self):
        return [delivery for batch in self.batches for delivery in batch]

    def bodies(self):
        return [delivery.body for delivery in self.got]

    def wait(self, count, seconds=30.0):
        self.loop.until(lambda: len(self.got) >= count, seconds)
        return self.got

    def settle(self, *deliveries, verdict=Verdict.ACK, **more):
        self.lane.settle([Settlement(delivery, verdict, **more) for delivery in deliveries])

    def close(self, release=()):
        self.lane.close(release)
        self.loop.close()


def message(body=b"x", queue="q", **more):
    """A message with the headers that a task has."""
    ident = more.pop("id", None) or f"id-{body.decode(errors='replace')}"
    headers = more.pop("headers", {"task": "t", "id": ident})
    return Message(ident, headers, body, more.pop("properties", {"correlation_id": ident}), queue, **more)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/kq.db"


@pytest.fixture
def settings():
    return SimpleNamespace(broker_connection_timeout=4)


@pytest.fixture
def only_bells(monkeypatch):
    """Nobody looks at the file unless a bell rings: what arrives then has been told, however loaded the machine is."""
    for pause in (
        "backend._LOOK", "kombu_transport._LOOK", "lane._SHORTEST_PAUSE", "lane._LONGEST_PAUSE"
    ):  # fmt: skip
        monkeypatch.setattr(f"kernelq_sqlite.{pause}", 1000.0)


@pytest.fixture
def open_transport(url, settings):
    """Make transports on the test's file, and close what they hold."""
    from kernelq_sqlite.transport import SqliteTransport

    made = []

    def make(**options):
        transport = SqliteTransport(url, settings, **options)
        made.append(transport)
        return transport

    yield make
    for transport in made:
        transport.close()


@pytest.fixture
def transport(open_transport):
    return open_transport()


@pytest.fixture
def sender(transport):
    sender = transport.sender()
    yield sender
    sender.close()


@pytest.fixture
def consume(transport):
    """Open consumers, and close them with the test."""
    opened = []

    def make(of=None, **options):
        consumer = Consumer(of or transport, **options)
        opened.append(consumer)
        return consumer

    yield make
    for consumer in opened:
        consumer.close()


@pytest.fixture(name="message")
def _message():
    """The function that makes a message."""
    return message
