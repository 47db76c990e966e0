"""An executor that is one function: what host runtimes are driven with where no app is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelq.outcome import Outcome
from kernelq.states import FAILURE

if TYPE_CHECKING:
    from kernelq.job import Job


class Executes:
    """An `Execute` whose jobs are run by `function`, none of them on an event loop."""

    def __init__(self, function: Callable[[Job], Outcome]) -> None:
        self._function = function

    def __call__(self, job: Job) -> Outcome:
        """Run one job."""
        return self._function(job)

    def is_async(self, job: Job) -> bool:
        """Tell that no job is for an event loop."""
        return False

    async def execute_async(self, job: Job) -> Outcome:
        """Run one job, as a call does."""
        return self._function(job)

    def interrupted(self, job: Job, error: BaseException) -> Outcome:
        """Return a FAILURE that names `error`."""
        return Outcome(FAILURE, detail=repr(error))
