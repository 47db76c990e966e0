"""Messages that wait in the worker for a moment."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from kernelq_amqp import held
from kernelq_amqp.held import Held
from kernelq_testkit import SteppedLoop


@pytest.fixture
def loop():
    loop = SteppedLoop()
    yield loop
    loop.close()


def flight(name):
    return SimpleNamespace(name=name)


def test_they_come_in_the_order_of_their_times(loop):
    """One timer serves them all; what is past comes at once."""
    due = []
    waiting = Held(loop, lambda one: due.append(one.name))
    now = time.time()
    for name, seconds in (("second", 0.2), ("first", 0.1), ("past", -5)):
        waiting.hold(flight(name), now + seconds)
    assert loop.run_until(lambda: len(due) == 3, 60)
    assert ["past", "first", "second"] == due
    assert 0 == len(waiting)


def test_too_many_are_told(loop, monkeypatch):
    """The others wait in the broker."""
    monkeypatch.setattr(held, "MOST", 2)
    waiting = Held(loop, lambda one: None)
    waiting.hold(flight("a"), time.time() + 60)
    assert not waiting.full
    waiting.hold(flight("b"), time.time() + 50)
    assert waiting.full
    assert ["b", "a"] == [one.name for one in waiting.clear()]
