"""The loop of a host: what one job does to it touches no other."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading

import pytest
import uvloop

from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_asyncio.runtime import AsyncioRuntime, new_loop
from kernelq_testkit.link import FakeLink

here: contextvars.ContextVar[str] = contextvars.ContextVar("here", default="")


class Execute:
    """Runs the method that the job's task names: on the loop where it is a coroutine function."""

    def __init__(self):
        self.go = threading.Event()
        self.seen: list[str] = []
        self.left: list[str] = []
        self.blocked = 0
        self.lock = threading.Lock()

    def __call__(self, job):
        return getattr(self, job.task)(job)

    async def execute_async(self, job):
        return await getattr(self, job.task)(job)

    def is_async(self, job):
        return asyncio.iscoroutinefunction(getattr(self, job.task))

    async def name(self, job):
        return Outcome("SUCCESS", detail=asyncio.current_task().get_name())

    async def see(self, job):
        before = here.get()
        here.set(job.task_id)
        return Outcome("SUCCESS", detail=before)

    def see_in_a_thread(self, job):
        before = here.get()
        here.set(job.task_id)
        return Outcome("SUCCESS", detail=before)

    async def wait(self, job):
        while not self.go.is_set():
            await asyncio.sleep(0.005)
        return Outcome("SUCCESS")

    def block(self, job):
        with self.lock:
            self.blocked += 1
        self.go.wait()
        return Outcome("SUCCESS")

    async def leave_child(self, job):
        async def child():
            raise SystemExit(1)

        task = asyncio.create_task(child())
        await asyncio.wait((task,))
        return Outcome("SUCCESS", detail=repr(task.exception()))

    async def stop(self, job):
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)
        return Outcome("SUCCESS")

    async def block_in_a_thread(self, job):
        return await asyncio.to_thread(self.block, job)

    async def leave_behind(self, job):
        async def forever():
            try:
                await asyncio.Event().wait()
            finally:
                self.left.append("cancelled")

        self.task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        return Outcome("SUCCESS")


class Served:
    """A runtime at work in a thread."""

    def __init__(self, slots):
        self.link, self.execute = FakeLink(), Execute()
        self.thread = threading.Thread(target=AsyncioRuntime(slots).serve, args=(self.link, self.execute))
        self.thread.start()

    def run(self, *tasks):
        """Run jobs of these tasks; return their outcomes."""
        begin = len(self.link.reports)
        first = begin + 1
        self.link.give(*(Job(first + n, name, f"id-{n}", {}, b"", {}, "", "", {}) for n, name in enumerate(tasks)))
        numbers = range(first, first + len(tasks))
        assert self.link.wait_for(lambda: all(number in self.link.outcomes for number in numbers))
        return [self.link.outcomes[number] for number in numbers]

    def end(self):
        self.execute.go.set()
        self.link.end()
        self.thread.join(20)
        self.link.close()
        assert not self.thread.is_alive()


@pytest.fixture(params=["uvloop", "plain"])
def served(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    made = Served(20)
    yield made
    if made.thread.is_alive():
        made.end()


def test_uvloop_is_used_where_it_is_installed(monkeypatch):
    loop = new_loop()
    loop.close()
    assert isinstance(loop, uvloop.Loop)

    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_loop()
    loop.close()
    assert not isinstance(loop, uvloop.Loop)


def test_a_task_of_asyncio_has_the_name_of_the_job(served):
    assert ["name[id-0]"] == [outcome.detail for outcome in served.run("name")]


@pytest.mark.parametrize("task", ["see", "see_in_a_thread"])
def test_context_variables_do_not_go_from_job_to_job(served, task):
    outcomes = served.run(*[task] * 10) + served.run(*[task] * 30)

    assert {""} == {outcome.detail for outcome in outcomes}


@pytest.mark.parametrize("task", ["leave_child", "stop"])
def test_nothing_that_a_task_does_ends_the_loop(served, task):
    waiting = Job(1000, "wait", "w", {}, b"", {}, "", "", {})
    served.link.give(waiting)

    assert ["SUCCESS"] == [outcome.state for outcome in served.run(task)]
    assert ["SUCCESS"] == [outcome.state for outcome in served.run("see")]
    served.execute.go.set()
    assert served.link.wait_for(lambda: 1000 in served.link.outcomes)


@pytest.mark.parametrize("task", ["block", "block_in_a_thread"])
def test_plain_functions_wait_for_no_thread(served, task):
    """All slots at once, which is more than asyncio's own threads."""
    served.link.give(*(Job(n, task, f"b{n}", {}, b"", {}, "", "", {}) for n in range(19)))
    assert served.link.wait_for(lambda: served.execute.blocked == 19)

    served.link.give(Job(19, "see", "s", {}, b"", {}, "", "", {}))
    assert served.link.wait_for(lambda: 19 in served.link.outcomes)


def test_what_tasks_leave_on_the_loop_is_cancelled_at_the_end(served):
    served.run("leave_behind")
    assert [] == served.execute.left
    served.end()

    assert ["cancelled"] == served.execute.left
