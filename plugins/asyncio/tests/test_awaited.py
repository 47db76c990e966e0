"""A job on the loop ends with an outcome, whatever is done to its task."""

from __future__ import annotations

import asyncio

import pytest

from kernelq.delivery import Verdict
from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_asyncio.awaited import Awaited
from kernelq_testkit.executes import Executes

JOB = Job(1, "t", "id", {}, b"", {}, "", "", {})


class Awaits(Executes):
    """Runs a coroutine function as the job."""

    def __init__(self, function):
        super().__init__(function)
        self.function = function

    async def execute_async(self, job):
        return await self.function()


def awaited(function) -> Awaited:
    return Awaited(asyncio.get_running_loop(), Awaits(function), JOB)


async def test_it_keeps_the_outcome():
    async def quick() -> Outcome:
        return Outcome("SUCCESS")

    one = awaited(quick)
    await one.run()

    assert "SUCCESS" == one.outcome.state


@pytest.mark.parametrize("error", [KeyError, SystemExit, asyncio.CancelledError])
async def test_what_comes_out_of_a_job_is_a_failure(error):
    async def raises() -> Outcome:
        raise error

    one = awaited(raises)
    await asyncio.create_task(one.run())

    assert ("FAILURE", Verdict.ACK) == (one.outcome.state, one.outcome.verdict)
    assert error.__name__ in one.outcome.detail


async def test_an_interrupt_from_another_thread_is_raised_where_it_waits():
    begun = asyncio.Event()

    async def waits() -> Outcome:
        begun.set()
        try:
            await asyncio.Event().wait()
        except SoftTimeLimitExceeded:
            return Outcome("INTERRUPTED")
        return Outcome("SUCCESS")

    one = awaited(waits)
    task = asyncio.create_task(one.run())
    await begun.wait()
    assert await asyncio.to_thread(one.interrupt, SoftTimeLimitExceeded)
    await task

    assert "INTERRUPTED" == one.outcome.state


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_what_was_cancelled_before_it_began_goes_back_to_the_queue():
    async def quick() -> Outcome:
        return Outcome("SUCCESS")

    one = awaited(quick)
    task = asyncio.create_task(one.run())
    task.cancel()
    await asyncio.wait((task,))

    assert Verdict.REQUEUE == one.outcome.verdict
