"""The prefork pool interrupts whatever its task waits in, and only the task that is meant."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from kernelq import KernelQ
from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.job import Job
from kernelq.kernel.contracts.pool import Execute, Layout
from kernelq.outcome import Outcome
from kernelq_prefork import Prefork
from kernelq_prefork.runtime import SIGNAL, PreforkRuntime
from kernelq_testkit.child import run_in_child
from kernelq_testkit.executes import Executes
from kernelq_testkit.link import FakeLink


class Limit(BaseException):
    pass


def job(number: int) -> Job:
    return Job(number, "t", "t", {}, b"", {}, "", "", {})


def hosted(execute: Execute, drive: Callable[[FakeLink, PreforkRuntime], None]) -> None:
    """Serve in the main thread of a child, while `drive` runs in a thread beside it."""

    def child() -> None:
        link, runtime, failures = FakeLink(), PreforkRuntime(), []

        def beside() -> None:
            try:
                drive(link, runtime)
            except BaseException as error:  # noqa: BLE001 - it is raised in the main thread
                failures.append(error)
            link.end()

        thread = threading.Thread(target=beside)
        thread.start()
        runtime.serve(link, execute)
        thread.join()
        if failures:
            raise failures[0]

    assert "" == run_in_child(child)


@pytest.mark.parametrize("hosts", [None, 1, 2, 8])
def test_layout(hosts):
    """There are as many hosts as slots, whatever `--hosts` says."""
    assert Layout(4, 1) == Prefork().layout(4, hosts)


def wait_for_bytes(ready: Callable[[], None]) -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        ready()
        mine.recv(1)


def wait_for_a_lock(ready: Callable[[], None]) -> None:
    lock = threading.Lock()
    lock.acquire()
    ready()
    lock.acquire()


def wait_for_a_program(ready: Callable[[], None]) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as program:
        try:
            ready()
            program.wait()
        finally:
            program.kill()


def sleep(ready: Callable[[], None]) -> None:
    ready()
    time.sleep(60)


@pytest.mark.parametrize("wait", [sleep, wait_for_bytes, wait_for_a_lock, wait_for_a_program])
def test_an_interrupt_ends_a_system_call(wait):
    """A task that sleeps, reads, waits for a lock or for a program hears its limit at once."""
    waits = threading.Event()

    def execute(job: Job) -> Outcome:
        try:
            wait(waits.set)
        except Limit:
            return Outcome("INTERRUPTED")
        return Outcome("SUCCESS")

    def drive(link: FakeLink, runtime: PreforkRuntime) -> None:
        link.give(job(1))
        assert waits.wait(60)
        link.interrupt(1, Limit)
        assert link.wait_for(lambda: 1 in link.outcomes)
        assert ("INTERRUPTED", [True]) == (link.outcomes[1].state, link.found)

    hosted(Executes(execute), drive)


def test_an_interrupt_hits_only_the_job_that_is_meant():
    """3,000 short jobs race with interrupts for every third: none is lost, none but those is hit, some are."""
    hit: set[int] = set()

    def execute(job: Job) -> Outcome:
        try:
            for _ in range(job.id % 50):
                os.stat("/")
            time.sleep(0.0001)
        except Limit:
            hit.add(job.id)
            return Outcome("INTERRUPTED")
        return Outcome("SUCCESS")

    def drive(link: FakeLink, runtime: PreforkRuntime) -> None:
        meant = set()
        link.give(*map(job, range(3_000)))
        while len(link.outcomes) < 3_000:
            current = runtime._job_id
            if current is not None and current % 3 == 0 and current not in meant:
                link.interrupt(current, Limit)
                meant.add(current)
            time.sleep(0)
        raised = {number for number, outcome in link.outcomes.items() if outcome.state != "SUCCESS"}
        assert set(range(3_000)) == set(link.outcomes)
        assert hit <= raised <= meant
        assert len(hit) > 10

    hosted(Executes(execute), drive)


def test_limits_that_race_with_the_end_of_tasks_leave_one_outcome_each():
    """1,000 tasks under the app's own executor, plain and coroutines: each has succeeded, or failed with its limit."""
    app = KernelQ("racing")

    @app.task(name="plain")
    def plain() -> None:
        time.sleep(0.0005)

    @app.task(name="waits")
    async def waits() -> None:
        await asyncio.sleep(0.0005)

    execute = app.executor("here")

    def drive(link: FakeLink, runtime: PreforkRuntime) -> None:
        tasks = [job(number) for number in range(1_000)]
        for one in tasks:
            one.task, one.body, one.content_type = ("plain", "waits")[one.id % 2], b"[[], {}, {}]", "application/json"
            one.content_encoding, one.headers = "utf-8", {"task": one.task, "id": f"id-{one.id}"}
        link.give(*tasks)
        meant = set()
        while len(link.outcomes) < 1_000:
            current = runtime._job_id
            if current is not None and current not in meant:
                meant.add(current)
                time.sleep(current % 10 * 0.0001)
                link.interrupt(current, SoftTimeLimitExceeded)
        ends = {(outcome.state, outcome.detail.partition("(")[0]) for outcome in link.outcomes.values()}
        assert {("SUCCESS", "None"), ("FAILURE", "SoftTimeLimitExceeded")} == ends

    hosted(execute, drive)


def test_an_interrupt_finds_its_way_however_the_task_goes_to_sleep():
    """A signal between the interpreter's last look and the system call is not lost: 200 tasks wake in time."""

    def execute(job: Job) -> Outcome:
        try:
            time.sleep(20)
        except Limit:
            return Outcome("INTERRUPTED")
        return Outcome("SUCCESS")

    def drive(link: FakeLink, runtime: PreforkRuntime) -> None:
        for number in range(200):
            link.give(job(number))
            while runtime._job_id != number:
                pass
            link.interrupt(number, Limit)
            assert link.wait_for(lambda number=number: number in link.outcomes)
        # Those that were met before their first line failed without it.
        assert {"INTERRUPTED", "FAILURE"} >= {outcome.state for outcome in link.outcomes.values()}

    hosted(Executes(execute), drive)


def test_an_interrupt_is_not_lost_in_a_finaliser():
    """What `__del__` raises Python prints and forgets; the interrupt comes after it."""
    closing = threading.Event()

    class Slow:
        def __del__(self) -> None:
            closing.set()
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                pass

    def execute(job: Job) -> Outcome:
        try:
            Slow()
            time.sleep(20)
        except Limit:
            return Outcome("INTERRUPTED")
        return Outcome("SUCCESS")

    def drive(link: FakeLink, runtime: PreforkRuntime) -> None:
        link.give(job(1))
        assert closing.wait(60)
        link.interrupt(1, Limit)
        assert link.wait_for(lambda: 1 in link.outcomes)
        assert "INTERRUPTED" == link.outcomes[1].state

    hosted(Executes(execute), drive)


def test_a_signal_that_nobody_asked_for_changes_nothing():
    """The signal, sent by somebody else, interrupts no job."""
    runs = threading.Event()

    def execute(job: Job) -> Outcome:
        runs.set()
        time.sleep(0.2)
        return Outcome("SUCCESS")

    def drive(link: FakeLink, runtime: PreforkRuntime) -> None:
        link.give(job(1))
        assert runs.wait(60)
        os.kill(os.getpid(), SIGNAL)
        assert link.wait_for(lambda: 1 in link.outcomes)
        assert "SUCCESS" == link.outcomes[1].state

    hosted(Executes(execute), drive)


def test_the_handler_of_before_comes_back():
    """What the process did with the signal before, it does again when the runtime has ended."""

    def child() -> None:
        signal.signal(SIGNAL, signal.SIG_IGN)
        link = FakeLink()
        link.end()
        PreforkRuntime().serve(link, Executes(lambda job: Outcome("SUCCESS")))
        assert signal.SIG_IGN == signal.getsignal(SIGNAL)

    assert "" == run_in_child(child)
