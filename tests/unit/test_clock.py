"""The logical clock of an app: it goes forward only, and no message can spoil it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from kernelq import KernelQ
from kernelq.clock import GREATEST, Clock


def test_it_goes_beyond_what_comes_and_never_back():
    clock = Clock()

    assert 1 == clock.forward()
    assert 42 == clock.adjust(41)
    assert 43 == clock.adjust(7)


@pytest.mark.parametrize("seen", [None, "12", 1.5, -3, [], GREATEST + 1, 10**400])
def test_what_is_no_clock_moves_it_by_one(seen):
    """One malformed header of one node would else spread over the whole cluster."""
    clock = Clock(initial_value=5)

    assert 6 == clock.adjust(seen)


def test_an_app_has_one():
    with KernelQ("clock", broker="memory://") as app, KernelQ("other", broker="memory://") as other:
        assert app.clock is app.clock
        assert app.clock is not other.clock
        assert app.clock is app.control.mailbox().clock


def test_a_child_forked_while_another_thread_holds_its_lock_can_use_it():
    app = KernelQ("clock", broker="memory://")
    held, done = threading.Event(), threading.Event()

    def hold():
        with app.clock.mutex:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    app.clock.forward()
    thread.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs ends by it
        os._exit(0 if app.clock.forward() == 2 else 1)
    done.set()
    thread.join()

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
