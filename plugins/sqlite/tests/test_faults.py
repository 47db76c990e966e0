from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from kernelq_testkit.waiting import patience

PEER = Path(__file__).with_name("peer.py")


@pytest.fixture
def start(url):
    """Start peers, and end those that are left."""
    started = []

    def run(role, *arguments):
        process = subprocess.Popen(
            [sys.executable, str(PEER), role, url, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PEER.parent,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
        process.communicate()


def left(url):
    """How many messages the tables hold, by table."""
    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0]
                for t in ("message", "ready", "flight", "delayed", "dead")}  # fmt: skip
    finally:
        db.close()


def until(condition, seconds):
    seconds = patience(seconds)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


@pytest.mark.slow
def test_no_message_is_lost_whatever_is_killed(url, start, tmp_path):
    """Three producers, three consumers, and a SIGKILL of a consumer each 150 ms: every accepted message ends."""
    ledger = tmp_path / "ledger"
    ledger.touch()
    consumers = [start("consume", ledger, 16) for _ in range(3)]
    for consumer in consumers:
        assert "up" == consumer.stdout.readline().strip()
    producers = [start("produce", f"p{n}", 1500) for n in range(3)]
    kills = 0
    while kills < 25:
        victim = consumers.pop(0)
        victim.kill()
        victim.wait()
        kills += 1
        consumers.append(start("consume", ledger, 16))
        time.sleep(0.15)
    accepted = [line for producer in producers for line in producer.communicate()[0].split()]
    until(lambda: left(url)["message"] == 0, 60)
    for consumer in consumers:
        consumer.terminate()
        consumer.wait(30)
    ended = Counter(line.removeprefix("end ") for line in ledger.read_text().split("\n") if line)
    lost = set(accepted) - set(ended)
    doubled = sum(count - 1 for count in ended.values())
    print(f"accepted {len(accepted)}, kills {kills}, lost {len(lost)}, doubled {doubled}, left {left(url)}")
    assert 3 * 1800 == len(accepted) == len(set(accepted))
    assert set() == lost
    assert doubled <= kills * 16 * 2
    assert {"message": 0, "ready": 0, "flight": 0, "delayed": 0, "dead": 0} == left(url)


@pytest.mark.slow
def test_a_producer_killed_in_mid_stream_leaves_whole_messages(url, start, tmp_path):
    """What a killed producer had been told is accepted arrives; a batch arrives whole or not at all."""
    ledger = tmp_path / "ledger"
    ledger.touch()
    accepted = []
    for n in range(8):
        producer = start("produce", f"p{n}", 100_000)
        accepted += [producer.stdout.readline().strip() for _ in range(50 + n * 37)]
        producer.kill()
        whole = producer.communicate()[0].rpartition("\n")[0]
        accepted += whole.split()
    consumer = start("consume", ledger, 64)
    until(lambda: left(url)["message"] == 0, 60)
    consumer.terminate()
    consumer.wait(30)
    ended = Counter(line.removeprefix("end ") for line in ledger.read_text().split("\n") if line)
    assert set() == set(accepted) - set(ended)
    assert {1} == set(ended.values())
    halves = {name for name in ended if name.endswith("b")}
    assert all(name[:-1] in ended for name in halves)


def test_a_killed_owner_is_relieved_at_once(start, sender, consume, message):
    """The kernel frees the lease of a killed process, and the next look takes its messages over, counted."""
    sender.publish(message())
    holder = start("hold")
    assert "holding" == holder.stdout.readline().strip()
    consumer = consume()
    consumer.loop.run(0.3)
    assert [] == consumer.got
    holder.kill()
    (delivery,) = consumer.wait(1, 10)  # a lease that had to grow old would take twenty
    assert 2 == delivery.deliveries


def test_a_stopped_owner_is_relieved_by_age_and_fenced(url, open_transport, start, sender, consume, message):
    """A stopped process keeps its lock, so it is judged by its renewals; its late acknowledgement changes nothing."""
    sender.publish(message())
    holder = start("hold", 4.0)
    assert "holding" == holder.stdout.readline().strip()
    consumer = consume(open_transport(lease=4.0))
    consumer.loop.run(5.2)
    assert [] == consumer.got  # it lives, and renews
    os.kill(holder.pid, signal.SIGSTOP)
    (delivery,) = consumer.wait(1)
    assert 2 == delivery.deliveries
    os.kill(holder.pid, signal.SIGCONT)
    holder.stdin.write("settle\n")
    holder.stdin.flush()
    assert "fenced 1" == holder.stdout.readline().strip()
    assert {"message": 1, "ready": 0, "flight": 1, "delayed": 0, "dead": 0} == left(url)
    consumer.settle(delivery)
    assert 0 == left(url)["message"]


def test_an_idle_worker_hears_of_a_message_at_once(start, sender, message):
    """Each of a hundred messages from one process rings the bell of an idle other, which does not look by itself."""
    peer = start("latency", 100)
    assert "up" == peer.stdout.readline().strip()
    for _ in range(100):
        sender.publish(message(b"%d" % time.time_ns()))
        time.sleep(0.005)
    assert 100 == len(peer.stdout.readline().split())
