"""The loop keeps order, wakes for threads and signals, and outlives what fails."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from kernelq.kernel.errors import BrokerLost
from kernelq_worker.loop import FAILURES_PER_DESCRIPTOR, LONGEST_WAIT, WorkerLoop


@pytest.fixture
def loop() -> Iterator[WorkerLoop]:
    made = WorkerLoop()
    yield made
    made.close()
    made.close()


def test_call_soon_keeps_the_order(loop):
    """Calls come in the order they were asked for; one asked for meanwhile comes in the next turn."""
    seen: list[int] = []
    for number in range(50):
        loop.call_soon(seen.append, number)
    loop.call_soon(lambda: loop.call_soon(seen.append, 50))
    loop.turn()
    assert list(range(50)) == seen
    loop.turn()
    assert 50 == seen[-1]


def test_a_thread_wakes_the_loop(loop):
    """A call from another thread does not wait for the poll's end, which is ten seconds off."""
    woken: list[float] = []
    thread = threading.Timer(0.1, lambda: loop.call_soon(lambda: woken.append(time.monotonic())))
    began = time.monotonic()
    thread.start()
    loop.run(until=lambda: bool(woken))
    thread.join()
    assert time.monotonic() - began < LONGEST_WAIT - 1


def test_many_threads_lose_no_call(loop):
    seen: list[int] = []

    def call() -> None:
        for number in range(2_000):
            loop.call_soon(seen.append, number)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    loop.run(until=lambda: len(seen) == 8_000)
    for thread in threads:
        thread.join()
    assert 8_000 == len(seen)


def test_a_signal_handler_wakes_the_loop(loop):
    """`call_soon` in a handler, which runs in the loop's own thread while that polls, ends the poll."""
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon(loop.stop))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    began = time.monotonic()
    timer.start()
    loop.run()
    signal.signal(signal.SIGUSR1, before)
    timer.join()
    assert time.monotonic() - began < LONGEST_WAIT - 1


def test_one_descriptor_is_watched_for_both(loop):
    """Reading and writing on one descriptor are called for, and undone, each by itself."""
    ours, theirs = socket.socketpair()
    seen: list[str] = []
    loop.add_reader(ours.fileno(), seen.append, "read")
    loop.add_writer(ours.fileno(), seen.append, "write")
    theirs.send(b"x")
    loop.turn()
    assert ["read", "write"] == sorted(seen)
    loop.remove_writer(ours.fileno())
    loop.remove_writer(ours.fileno())
    seen.clear()
    loop.turn()
    assert ["read"] == seen
    loop.remove_reader(ours.fileno())
    loop.turn(longest=0.01)
    assert ["read"] == seen
    ours.close()
    theirs.close()


def test_a_failing_callback_is_logged_and_the_rest_is_called(loop, caplog):
    seen: list[int] = []
    loop.call_soon(lambda: 1 // 0)
    loop.call_soon(seen.append, 1)
    loop.on_turn(lambda: seen.append(2))
    with caplog.at_level(logging.ERROR):
        loop.turn()
    assert [1, 2] == seen
    assert "division" in caplog.text or "ZeroDivisionError" in caplog.text


def test_a_descriptor_that_fails_for_ever_is_dropped(loop, caplog):
    """A callback that raises at every turn does not spin the loop."""
    ours, theirs = socket.socketpair()
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise OSError("broken")

    loop.add_reader(ours.fileno(), fail)
    theirs.send(b"x")
    with caplog.at_level(logging.ERROR):
        for _ in range(FAILURES_PER_DESCRIPTOR * 2):
            loop.turn(longest=0.001)
    assert FAILURES_PER_DESCRIPTOR == len(calls)
    assert "no longer watched" in caplog.text
    ours.close()
    theirs.close()


@pytest.mark.parametrize("place", ["soon", "timer", "turn", "reader"])
def test_a_lost_broker_leaves_the_loop(loop, place):
    """From whatever callback it comes; and the loop can be run again."""

    def lose() -> None:
        loop.off_turn(lose)
        raise BrokerLost("gone")

    ours, theirs = socket.socketpair()
    if place == "soon":
        loop.call_soon(lose)
    elif place == "timer":
        loop.call_later(0, lose)
    elif place == "turn":
        loop.on_turn(lose)
        loop.call_soon(lambda: None)
    else:
        loop.add_reader(ours.fileno(), lose)
        theirs.send(b"x")
    with pytest.raises(BrokerLost):
        loop.run()
    loop.remove_reader(ours.fileno())
    loop.call_soon(loop.stop)
    loop.run()
    ours.close()
    theirs.close()


def test_timers(loop):
    """Many are due at once: all fire; a cancelled one does not; a repeated one does until it is cancelled."""
    seen: list[str] = []
    for _ in range(30):
        loop.call_later(0.01, seen.append, "later")
    loop.call_later(0.01, seen.append, "never").cancel()
    again = loop.call_repeatedly(0.02, seen.append, "again")
    began = time.monotonic()
    loop.run(until=lambda: seen.count("again") == 3)
    assert 30 == seen.count("later")
    assert "never" not in seen
    assert 0.05 < time.monotonic() - began < LONGEST_WAIT - 1
    again.cancel()
    loop.turn(longest=0.05)
    assert 3 == seen.count("again")


def test_work_of_on_turn_does_not_wait(loop):
    """What `on_turn` schedules comes without a wait for events."""
    seen: list[int] = []

    def once() -> None:
        loop.off_turn(once)
        loop.call_soon(seen.append, 1)

    loop.on_turn(once)
    loop.call_soon(lambda: None)
    began = time.monotonic()
    loop.run(until=lambda: bool(seen))
    assert time.monotonic() - began < LONGEST_WAIT - 1


def test_an_idle_loop_uses_no_time(loop):
    before, turns = time.process_time(), 0
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        loop.turn(longest=max(end - time.monotonic(), 0))
        turns += 1
    assert turns <= 5
    assert time.process_time() - before < 0.1
