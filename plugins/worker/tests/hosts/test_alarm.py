"""Time limits of jobs that run in the main thread itself."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_testkit.executes import Executes
from kernelq_worker.hosts.alarm import Alarm

from .conftest import execute, job


def test_the_soft_limit_is_raised_in_the_task():
    outcome = Alarm().run(job(1, "sleep 20", soft=0.1, hard=15.0), Executes(execute))
    assert "SoftTimeLimitExceeded()" == outcome.detail


def test_the_hard_limit_is_raised_where_there_is_no_soft_one():
    outcome = Alarm().run(job(1, "sleep 20", hard=0.1), Executes(execute))
    assert "TimeLimitInterrupt()" == outcome.detail


def test_the_hard_limit_follows_a_soft_one_that_was_caught():
    """A task may clean up; not for ever."""
    seen: list[type[BaseException]] = []

    def patient(one: Job) -> Outcome:
        for _ in range(2):
            try:
                threading.Event().wait(20)
            except BaseException as error:  # noqa: BLE001
                seen.append(type(error))
        return Outcome("FAILURE")

    Alarm().run(job(1, soft=0.1, hard=2.0), Executes(patient))
    assert [SoftTimeLimitExceeded, TimeLimitInterrupt] == seen


def test_a_task_within_its_limits_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    outcome = Alarm().run(job(1, "", soft=15.0, hard=20.0), Executes(execute))
    assert "SUCCESS" == outcome.state
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert before is signal.getsignal(signal.SIGALRM)


def test_no_outcome_is_lost_where_limit_and_end_meet():
    """Whenever the alarm rings, the answer is that of the task, or that it was interrupted."""
    ran: list[int] = []

    def count(one: Job) -> Outcome:
        ran.append(one.id)
        end = time.perf_counter() + 0.001
        try:
            while time.perf_counter() < end:
                pass
        except SoftTimeLimitExceeded:
            return Outcome("INTERRUPTED")
        return Outcome("SUCCESS")

    states: list[Any] = [Alarm().run(job(number, soft=0.001), Executes(count)).state for number in range(300)]
    assert set(states) <= {"SUCCESS", "INTERRUPTED", "FAILURE"}
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert 300 == len(states)


@pytest.mark.parametrize("where", ["main", "thread"])
def test_it_works_in_the_main_thread_only(where):
    answers: list[bool] = []
    if where == "main":
        answers.append(Alarm.works())
    else:
        thread = threading.Thread(target=lambda: answers.append(Alarm.works()))
        thread.start()
        thread.join()
    assert [where == "main"] == answers
