"""Processes for the fault tests: started as ``python peer.py <role> <url> …``, they speak on stdout and in a ledger."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import SimpleNamespace

from conftest import TinyLoop, message
from kernelq.delivery import Settlement, Verdict
from kernelq_sqlite import lane as lane_module
from kernelq_sqlite.transport import SqliteTransport

SETTINGS = SimpleNamespace()


def say(*words):
    print(*words, flush=True)


def write(ledger, text):
    """One line by one write to an O_APPEND file: it survives any kill."""
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, text.encode() + b"\n")
    os.close(fd)


def produce(url, name, count):
    """Publish `count` messages and say each id that was accepted."""
    sender = SqliteTransport(url, SETTINGS).sender()
    for n in range(int(count)):
        body = f"{name}-{n}".encode()
        if n % 5 == 4:
            sender.publish_many([message(body), message(body + b"b")])
            say(body.decode())
            say(body.decode() + "b")
        else:
            sender.publish(message(body, eta=time.time() + 0.2 if n % 7 == 0 else None))
            say(body.decode())
    sender.close()


def consume(url, ledger, credit, lease="20"):
    """Consume until a TERM; write ``end <body>`` for each delivery, then acknowledge in batches."""
    loop, running = TinyLoop(), [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    lane = SqliteTransport(url, SETTINGS, lease=float(lease)).lane()
    pending = []

    def take(batch):
        for delivery in batch:
            write(ledger, f"end {delivery.body.decode()}")
            pending.append(Settlement(delivery, Verdict.ACK))

    lane.open(loop, ["q"], take)
    lane.want(int(credit))
    say("up")
    while running:
        loop.once()
        batch, pending[:] = pending[:], []
        lane.want(int(credit))
        lane.settle(batch)
    lane.close()


def hold(url, lease="20"):
    """Take one delivery, begin it, keep it; settle it when a line comes on stdin, and say if the lane was fenced."""
    loop, got = TinyLoop(), []
    lane = SqliteTransport(url, SETTINGS, lease=float(lease)).lane()
    lane.open(loop, ["q"], got.extend)
    lane.want(1)
    loop.until(lambda: got)
    if got[0].deliveries > 1:
        lane.begin(got)
    loop.add_reader(sys.stdin.fileno(), lambda: None)
    say("holding")
    asked = []
    loop.remove_reader(sys.stdin.fileno())
    loop.add_reader(sys.stdin.fileno(), lambda: asked.append(sys.stdin.readline()))
    loop.until(lambda: asked, 60)
    lane.settle([Settlement(got[0], Verdict.ACK)])
    say("fenced", lane.info()["fenced"])
    lane.close()


def latency(url, count):
    """Say the times, in ns, from the sending to the delivery of `count` messages; only the bell wakes this lane."""
    lane_module._SHORTEST_PAUSE = lane_module._LONGEST_PAUSE = 1000.0
    loop, times = TinyLoop(), []
    lane = SqliteTransport(url, SETTINGS).lane()

    def take(batch):
        now = time.time_ns()
        times.extend(now - int(delivery.body) for delivery in batch)
        lane.settle([Settlement(delivery, Verdict.ACK) for delivery in batch])
        lane.want(10)

    lane.open(loop, ["q"], take)
    lane.want(10)
    say("up")
    loop.until(lambda: len(times) >= int(count), 60)
    say(*times)
    lane.close()


def mailbox(url):
    """Answer kombu's pidbox as a worker does, from the loop, until killed."""
    from kombu.pidbox import Mailbox

    connection = SqliteTransport(url, SETTINGS).connection()
    box = Mailbox("test", type="fanout", accept=["json"])(connection)
    node = box.Node("node1@here", state=None, handlers={"ping": lambda state, **_: {"pong": os.getpid()}})
    channel = connection.channel()
    node.channel = channel
    consumer = node.Consumer(channel=channel)
    consumer.register_callback(lambda body, msg: node.handle_message(body, msg))
    consumer.consume()
    loop = TinyLoop()
    connection.register_with_event_loop(loop)
    say("up")
    while True:
        loop.once(1.0)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
