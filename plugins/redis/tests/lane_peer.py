"""Processes for the fault tests: started as ``python lane_peer.py <role> <url> <prefix> …``, they speak on stdout."""

from __future__ import annotations

import os
import signal
import sys
from types import SimpleNamespace

from kernelq.delivery import Settlement, Verdict
from kernelq.kernel.errors import Unreachable
from kernelq_redis.ends import Ends
from kernelq_redis.lane import RedisLane
from kernelq_redis.transport import RedisTransport
from kernelq_testkit.loop import SteppedLoop

LEASE = 4.0


def say(*words):
    print(*words, flush=True)


def transport(url, prefix):
    settings = SimpleNamespace(broker_connection_timeout=2.0, broker_transport_options={"global_keyprefix": prefix})
    return RedisTransport(url, settings, lease=LEASE)


def write(ledger, *words):
    """One line by one write to an O_APPEND file: it survives any kill."""
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, " ".join(map(str, words)).encode() + b"\n")
    os.close(fd)


def consume(url, prefix, ledger, credit="8"):
    """Consume until a TERM, through lost connections; write ``<pid> <id>`` for each delivery, settle in batches."""
    made, loop, running, ended = transport(url, prefix), SteppedLoop(), [True], []
    signal.signal(signal.SIGTERM, lambda *_: running.clear())

    def take(batch):
        for delivery in batch:
            write(ledger, os.getpid(), delivery.headers["id"])
            ended.append(delivery)

    while running:
        lane = made.lane()
        try:
            lane.open(loop, ["q"], take)
            say("up")
            lane.want(int(credit))
            while running:
                loop.turn(0.02)
                batch, ended[:] = ended[:], []
                if batch:
                    lane.settle([Settlement(delivery, Verdict.ACK) for delivery in batch])
                    lane.want(int(credit))
        except Unreachable as error:
            say("lost", error)
            lane.close()
            loop.run_for(0.1)
    lane.settle([Settlement(delivery, Verdict.ACK) for delivery in ended])
    lane.close()


def hold(url, prefix):
    """Take one delivery and keep it; when a line comes on stdin, settle it, and say how often the lane was fenced."""
    loop, got = SteppedLoop(), []
    lane = transport(url, prefix).lane()
    lane.open(loop, ["q"], got.extend)
    lane.want(1)
    loop.run_until(lambda: got, 30)
    lane.want(0)
    say("holding", got[0].headers["id"])
    asked = []
    loop.add_reader(sys.stdin.fileno(), lambda: asked.append(sys.stdin.readline()))
    loop.run_until(lambda: asked, 120)
    loop.remove_reader(sys.stdin.fileno())
    lane.settle([Settlement(got[0], Verdict.ACK)])
    loop.run_until(lambda: lane.info()["fenced"], 10)
    say("fenced", lane.info()["fenced"])
    lane.close()


def die(url, prefix, step, idle):
    """Take a message, and be killed when the step named is reached."""

    def killed(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    if step != "delivered":
        setattr(Ends if hasattr(Ends, step) else RedisLane, step, killed)
    loop, got = SteppedLoop(), []
    lane = transport(url, prefix).lane()
    lane.open(loop, ["q"], killed if step == "delivered" else got.extend)
    if idle == "idle":
        lane.want(2)
        loop.run_for(0.3)
    say("up")
    if idle != "idle":
        sys.stdin.readline()
    lane.want(2)
    while True:
        loop.turn(0.02)
        if got and step == "begun":
            continue
        batch, got[:] = got[:], []
        if batch:
            lane.settle([Settlement(delivery, Verdict.ACK) for delivery in batch])
            lane.want(2)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
