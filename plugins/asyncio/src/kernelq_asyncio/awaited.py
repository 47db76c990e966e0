"""A job whose task is awaited on the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kernelq.delivery import Verdict
from kernelq.interruptible import Interruptible
from kernelq.outcome import Outcome
from kernelq.states import FAILURE

if TYPE_CHECKING:
    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute

_NOT_BEGUN = "it was cancelled before it began, by another task of its host"


class Awaited:
    """Runs one job as a coroutine; ends with an outcome whatever is done to its task."""

    __slots__ = ("_execute", "_execution", "_job", "_loop", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop, execute: Execute, job: Job) -> None:
        self._loop, self._execute, self._job = loop, execute, job
        self._execution = Interruptible(execute.execute_async(job))
        self.outcome = Outcome(FAILURE, Verdict.REQUEUE, reason=_NOT_BEGUN, detail=_NOT_BEGUN)

    async def run(self) -> None:
        """Run the job to its end."""
        try:
            self.outcome = await self._execution
        except BaseException as error:  # noqa: BLE001 - nothing that comes out of a job ends the loop
            self.outcome = self._execute.interrupted(self._job, error)

    def interrupt(self, error: type[BaseException]) -> bool:
        """Raise `error` where the task awaits, as soon as the loop turns. From any thread."""
        self._loop.call_soon_threadsafe(self._execution.interrupt, error)
        return True
