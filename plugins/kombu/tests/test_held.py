"""Deliveries that wait in the worker."""

from __future__ import annotations

import time

import pytest

from kernelq_kombu import held
from kernelq_kombu.held import Held
from kernelq_testkit import SteppedLoop


@pytest.fixture
def loop():
    loop = SteppedLoop()
    yield loop
    loop.close()


def test_items_come_in_the_order_of_their_times(loop):
    """One timer serves them all."""
    due: list[str] = []
    waiting = Held(loop, due.append, due.append)
    now = time.time()
    for name, seconds in (("second", 0.2), ("first", 0.1), ("past", -5)):
        waiting.hold(name, now + seconds)
    assert loop.run_until(lambda: len(due) == 3, 2)
    assert ["past", "first", "second"] == due


def test_the_far_future_goes_back_to_the_queue(loop, monkeypatch):
    """No message is held longer than the broker lets it be."""
    monkeypatch.setattr(held, "LONGEST", 0.1)
    due: list[str] = []
    overdue: list[str] = []
    Held(loop, due.append, overdue.append).hold("far", time.time() + 3600)
    assert loop.run_until(lambda: overdue)
    assert (["far"], []) == (overdue, due)


def test_too_many_are_told(loop, monkeypatch):
    """While it is full, the lane fetches nothing."""
    monkeypatch.setattr(held, "MOST", 2)
    waiting = Held(loop, lambda item: None, lambda item: None)
    waiting.hold("a", time.time() + 60)
    assert not waiting.full
    waiting.hold("b", time.time() + 50)
    assert waiting.full
    assert ["b", "a"] == waiting.clear()
    assert len(waiting) == 0
