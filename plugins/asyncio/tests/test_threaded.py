"""A job in a thread: an interrupt hits it, or nothing."""

from __future__ import annotations

import threading
import time

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_asyncio.threaded import Threaded
from kernelq_testkit.executes import Executes

JOB = Job(1, "t", "id", {}, b"", {}, "", "", {})


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, TimeLimitInterrupt])
def test_an_interrupt_is_raised_in_the_running_job(error):
    begun = threading.Event()

    def work(job: Job) -> Outcome:
        try:
            begun.set()
            while True:
                time.sleep(0.001)
        except error:
            return Outcome("INTERRUPTED")

    threaded = Threaded(Executes(work), JOB)
    assert not threaded.interrupt(error)
    thread = threading.Thread(target=threaded.run)
    thread.start()
    assert begun.wait(10)
    assert threaded.interrupt(error)
    thread.join(10)

    assert "INTERRUPTED" == threaded.outcome.state
    assert not threaded.interrupt(error)


def test_what_comes_out_of_a_job_is_a_failure():
    def leaves(job: Job) -> Outcome:
        raise SystemExit(3)

    threaded = Threaded(Executes(leaves), JOB)
    threaded.run()

    assert ("FAILURE", "SystemExit(3)") == (threaded.outcome.state, threaded.outcome.detail)


def test_interrupts_that_race_with_the_end_hit_no_later_job():
    """One thread runs job after job while another interrupts each at some moment."""
    now: list[Threaded] = []
    ended = threading.Event()

    def interrupts() -> None:
        while not ended.is_set():
            if now:
                now[-1].interrupt(SoftTimeLimitExceeded)

    other = threading.Thread(target=interrupts)
    other.start()
    try:
        for _ in range(3_000):
            now.append(one := Threaded(Executes(lambda job: Outcome("SUCCESS", detail=str(sum(range(50))))), JOB))
            one.run()
            now.clear()
            assert one.outcome.state in ("SUCCESS", "FAILURE")
            sum(range(200))  # an interrupt that is left over would be raised here
    finally:
        ended.set()
        other.join()
