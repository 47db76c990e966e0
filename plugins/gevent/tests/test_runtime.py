"""The runtime: many greenlets, interrupts that hit their own job only, and tasks that leave things behind."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_testkit.executes import Executes
from kernelq_testkit.link import FakeLink


class Limit(BaseException):
    pass


def job(number: int) -> Job:
    return Job(number, "t", "t", {}, b"", {}, "", "", {})


def serve(
    execute: Callable[[Job], Outcome], count: int, slots: int, beside: Callable[[FakeLink], None] = id
) -> FakeLink:
    """Run `count` jobs in this, patched, process; `beside` runs in a greenlet while they do, in place of the link."""
    import gevent

    from kernelq_gevent.runtime import GeventRuntime

    link = FakeLink()

    def drive() -> None:
        link.give(*map(job, range(count)))
        beside(link)
        while len(link.outcomes) < count:
            gevent.sleep(0.001)
        link.end()

    driver = gevent.spawn(drive)
    with gevent.Timeout(50):
        GeventRuntime(slots).serve(link, Executes(execute))
    driver.get()
    assert sorted(link.outcomes) == list(range(count))
    return link


def test_a_thousand_tasks_sleep_at_the_same_time(patched):
    def scene() -> None:
        running, most = 0, 0
        full = threading.Event()

        def execute(job: Job) -> Outcome:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 1000:
                full.set()
            full.wait(40)
            time.sleep(0.01)
            running -= 1
            return Outcome("SUCCESS")

        serve(execute, 2000, 1000)
        assert 1000 == most

    patched(scene)


def test_each_job_has_a_context_and_greenlets_are_used_again(patched):
    """What a task sets in a context variable the next one does not see, though it runs in the same greenlet."""

    def scene() -> None:
        import gevent

        said: ContextVar[int] = ContextVar("said", default=-1)
        seen: list[int] = []
        greenlets: set[int] = set()

        def execute(job: Job) -> Outcome:
            greenlets.add(gevent.getcurrent().minimal_ident)
            seen.append(said.get())
            said.set(job.id)
            time.sleep(0)
            assert job.id == said.get()
            return Outcome("SUCCESS")

        serve(execute, 100, 4)
        assert [-1] * 100 == seen
        assert 4 == len(greenlets)

    patched(scene)


def test_interrupts_hit_the_job_they_are_meant_for(patched):
    """Of 3,000 tasks every third is interrupted while it waits, ends, or has ended."""

    def scene() -> None:
        import gevent

        hit: set[int] = set()
        meant: set[int] = set()
        begun: list[int] = []

        def execute(job: Job) -> Outcome:
            begun.append(job.id)
            try:
                for turn in range(job.id % 4):
                    gevent.sleep(turn * 0.002)
            except Limit:
                hit.add(job.id)
                return Outcome("INTERRUPTED")
            return Outcome("SUCCESS")

        def interrupt(link: FakeLink) -> None:
            while len(link.outcomes) < 3000:
                for number in begun[-20:]:
                    if number % 3 == 0 and link.interrupt(number, Limit):
                        meant.add(number)
                gevent.sleep(0)

        link = serve(execute, 3000, 7, interrupt)
        assert hit
        assert hit <= meant
        assert hit == {number for number, outcome in link.outcomes.items() if outcome.state != "SUCCESS"}

    patched(scene)


def test_an_interrupt_comes_from_a_native_thread(patched):
    """While the loop waits, and nothing else would wake it."""

    def scene() -> None:
        from gevent.monkey import get_original

        native_sleep = get_original("time", "sleep")
        began = threading.Event()

        def execute(job: Job) -> Outcome:
            began.set()
            try:
                time.sleep(40)
            except Limit:
                return Outcome("INTERRUPTED")
            return Outcome("SUCCESS")

        def beside(link: FakeLink) -> None:
            def native() -> None:
                native_sleep(0.05)
                link.interrupt(0, Limit)

            began.wait()
            get_original("_thread", "start_new_thread")(native, ())

        assert "INTERRUPTED" == serve(execute, 1, 1, beside).outcomes[0].state

    patched(scene)


def test_a_timeout_that_a_task_forgot_does_not_hit_the_next(patched):
    """The greenlet it would be raised in runs no further task."""

    def scene() -> None:
        import gevent

        def execute(job: Job) -> Outcome:
            if job.id == 0:
                gevent.Timeout(0.02).start()
                return Outcome("SUCCESS")
            time.sleep(0.05)
            return Outcome("SUCCESS")

        link = serve(execute, 5, 1)
        assert {"SUCCESS"} == {outcome.state for outcome in link.outcomes.values()}

    patched(scene)


def test_whatever_tasks_raise_or_leave_behind_the_host_lives(patched):
    """SystemExit and the like in a task, and in a greenlet that it has started; the latter are logged."""

    def scene() -> None:
        import gevent

        raised = (SystemExit, KeyboardInterrupt, gevent.GreenletExit, Limit, ValueError)

        def leave(kind: type[BaseException]) -> None:
            raise kind("left behind")

        def execute(job: Job) -> Outcome:
            kind = raised[job.id % len(raised)]
            if job.id >= len(raised):
                gevent.spawn(leave, kind)
                time.sleep(0.01)
                return Outcome("SUCCESS")
            raise kind("raised")

        said = io.StringIO()
        logging.getLogger("kernelq.gevent").addHandler(logging.StreamHandler(said))
        link = serve(execute, 2 * len(raised), 3)
        assert ["FAILURE"] * 5 + ["SUCCESS"] * 5 == [link.outcomes[number].state for number in range(10)]
        for kind in ("SystemExit", "KeyboardInterrupt", "Limit", "ValueError"):
            assert f"{kind}: left behind" in said.getvalue()
        assert "GreenletExit: left behind" not in said.getvalue()

    patched(scene)
