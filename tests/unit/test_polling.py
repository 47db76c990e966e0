"""Waiting for results."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

from kernelq.kernel.errors import BackendUnreachable
from kernelq.polling import Poller, Waiter


class Store:
    """Looks into a dict, and notes when."""

    def __init__(self):
        self.results = {}
        self.looks = []
        self.error = None

    def look(self, ids):
        self.looks.append((time.monotonic(), sorted(ids)))
        if self.error is not None:
            raise self.error
        return {one: self.results[one] for one in ids if one in self.results}


def waiting(poller, *ids):
    told = threading.Event()
    waiter = Waiter(ids, told.set)
    poller.add(waiter)
    return waiter, told


def test_one_look_serves_all_who_wait_and_at_most_twenty_a_second():
    store = Store()
    poller = Poller(store.look)
    several = [waiting(poller, str(number), "none") for number in range(50)]
    for _, told in several:
        assert told.wait(30)  # each is told of its first look
        told.clear()
    while len(store.looks) < 8:
        poller.nudge()
        threading.Event().wait(0.001)
    store.results = {str(number): b"x" for number in range(50)}
    for number, (waiter, told) in enumerate(several):
        assert told.wait(30)
        assert {str(number): b"x"} == waiter.found
        poller.remove(waiter)
    poller.join()

    moments = [moment for moment, _ in store.looks]
    assert all(later - earlier >= 0.049 for earlier, later in pairwise(moments))


def test_the_thread_ends_with_the_last_who_waits_and_another_begins():
    store = Store()
    poller = Poller(store.look)
    for _ in range(2):
        waiter, told = waiting(poller, "a")
        assert told.wait(30)
        poller.remove(waiter)
        poller.join()
        assert "kernelq-results" not in {thread.name for thread in threading.enumerate()}


def test_errors_of_every_kind_reach_who_waits():
    for error in (BackendUnreachable("away"), ValueError("a bug")):
        store = Store()
        store.error = error
        poller = Poller(store.look)
        waiter, told = waiting(poller, "a")
        assert told.wait(30)
        assert isinstance(waiter.error, BackendUnreachable)
        poller.remove(waiter)
        poller.join()


def test_a_child_begins_without_the_parents_waiters():
    poller = Poller(Store().look)
    waiter, told = waiting(poller, "a")
    assert told.wait(30)
    left = poller._thread
    poller.remove(waiter)
    left.join(30)
    poller.forked()

    assert (None, set()) == (poller._thread, poller._waiters)
