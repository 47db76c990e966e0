"""What is to happen in a forked child."""

from __future__ import annotations

import gc
import weakref

from kernelq.forks import after_fork
from kernelq_testkit.child import run_in_child


class Told:
    def __init__(self):
        self.times = 0
        after_fork(self.tell)

    def tell(self):
        self.times += 1


def test_it_happens_in_the_child_only():
    told = Told()

    def child():
        assert 1 == told.times

    assert "" == run_in_child(child)
    assert 0 == told.times


def test_it_keeps_nothing_alive():
    told = Told()
    reference = weakref.ref(told)
    del told
    gc.collect()

    assert None is reference()
    assert "" == run_in_child(lambda: None)
