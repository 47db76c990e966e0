"""A consumer is dead when two clocks say so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kernelq_redis.watch import Watch


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(clock):
    return Watch(20.0, clock)


def look(watch, clock, server, renewals, steps=1, step=1.5):
    """Look several times, `step` seconds apart by both clocks; return whom the last look found dead."""
    for number in range(steps):
        clock.now += step
        found = watch.look(server + number * step, {"q": dict(renewals)})
    return [name for _, name, _, _ in found]


def test_who_renews_no_more_is_dead_after_the_lease(watch, clock):
    """Not before, and then until somebody has seen to it."""
    assert [] == look(watch, clock, 50.0, {"c": b"49.0"}, steps=13)
    assert ["c"] == look(watch, clock, 70.0, {"c": b"49.0"}, steps=3)


def test_a_jump_of_the_servers_clock_kills_nobody(watch, clock):
    """The observer has not waited for a lease."""
    assert [] == look(watch, clock, 50.0, {"c": b"49.0"})
    assert [] == look(watch, clock, 9_000.0, {"c": b"49.0"}, steps=5)


def test_a_server_whose_clock_stands_kills_nobody(watch, clock):
    """The observer has waited, but the renewal is young by the server."""
    for _ in range(40):
        assert [] == look(watch, clock, 50.0, {"c": b"49.0"})


def test_an_observer_that_was_stopped_looks_again(watch, clock):
    """It had no chance to see renewals, and gives everybody a lease of time."""
    look(watch, clock, 50.0, {"c": b"49.0"})
    clock.now += 100
    assert [] == look(watch, clock, 150.0, {"c": b"49.0"}, steps=10)


def test_who_renews_lives(watch, clock):
    """Any change counts."""
    for second in range(0, 100, 5):
        renewal = f"{second}.5".encode()
        assert [] == look(watch, clock, float(second + 1), {"c": renewal}, steps=3)


def test_who_was_found_dead_is_swept_again_and_then_forgotten(watch, clock):
    """Every five seconds for a minute."""
    clock.now += 1
    assert [("q", "c", b"d50.0", False)] == watch.look(51.0, {"q": {"c": b"d50.0"}})
    clock.now += 1
    assert [] == watch.look(52.0, {"q": {"c": b"d50.0"}})
    clock.now += 5
    assert [("q", "c", b"d50.0", True)] == watch.look(111.0, {"q": {"c": b"d50.0"}})


def test_a_dead_process_of_this_machine_is_known_at_the_second_look(watch, clock):
    """Without waiting for its lease."""
    code = "from kernelq_redis import consumer_id; print(consumer_id.new())"
    name = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert [] == look(watch, clock, 50.0, {name: b"49.0"})
    assert [name] == look(watch, clock, 50.0, {name: b"49.0"})
