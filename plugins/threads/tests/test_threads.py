"""The threads pool keeps its contract, and an interrupt hits only the task it is meant for."""

from __future__ import annotations

import threading
import time

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.job import Job
from kernelq.kernel.contracts.pool import Layout
from kernelq.outcome import Outcome
from kernelq_testkit.link import FakeLink
from kernelq_threads import Threads
from kernelq_threads.runtime import ThreadsRuntime


class Limit(Exception):
    pass


@pytest.mark.parametrize(
    ("concurrency", "hosts", "expected"),
    [(8, None, Layout(1, 8)), (8, 2, Layout(2, 4)), (3, 2, Layout(2, 2)), (2, 9, Layout(2, 1))],
)
def test_layout(concurrency, hosts, expected):
    assert expected == Threads().layout(concurrency, hosts)


def test_a_late_interrupt_hits_no_other_task():
    """Interrupts race with the end of 3,000 short tasks: each task ends once, and none that was not meant is hit."""
    link, runtime = FakeLink(), ThreadsRuntime(2)
    hit: set[int] = set()

    def execute(job: Job) -> Outcome:
        try:
            sum(range(200))
        except Limit:
            hit.add(job.id)
            return Outcome("INTERRUPTED")
        return Outcome("SUCCESS")

    thread = threading.Thread(target=runtime.serve, args=(link, execute))
    thread.start()
    jobs = [Job(n, "t", "t", {}, b"", {}, "", "", {}) for n in range(3_000)]
    link.give(*jobs)
    meant = set()
    end = time.monotonic() + 60
    while len(link.outcomes) < 3_000 and time.monotonic() < end:
        for number in list(runtime._running):
            if number % 3 == 0:
                link.interrupt(number, Limit)
                meant.add(number)
    link.end()
    thread.join(60)
    assert not thread.is_alive()
    assert 3_000 == len(link.outcomes)
    assert hit <= meant
    assert {n for n, outcome in link.outcomes.items() if outcome.state != "SUCCESS"} <= meant
    link.close()


def test_a_hard_limit_follows_a_soft_one_that_was_caught():
    """The second interrupt of a job reaches it too, where it is another; the same one twice does not."""
    link, runtime = FakeLink(), ThreadsRuntime(1)
    caught = threading.Event()

    def execute(job: Job) -> Outcome:
        try:
            while True:
                time.sleep(0.001)
        except SoftTimeLimitExceeded:
            caught.set()
        try:
            while True:
                time.sleep(0.001)
        except TimeLimitInterrupt:
            return Outcome("HARD")

    thread = threading.Thread(target=runtime.serve, args=(link, execute))
    thread.start()
    link.give(Job(1, "t", "t", {}, b"", {}, "", "", {}))
    assert link.wait_for(lambda: 1 in runtime._running)
    assert link.interrupt(1, SoftTimeLimitExceeded)
    assert caught.wait(60)
    assert not link.interrupt(1, SoftTimeLimitExceeded)
    assert link.interrupt(1, TimeLimitInterrupt)
    assert link.wait_for(lambda: 1 in link.outcomes)
    assert "HARD" == link.outcomes[1].state
    link.end()
    thread.join(60)
    link.close()
