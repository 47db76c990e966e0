"""The step Hub: the event loop of the supervisor."""

from __future__ import annotations

from kernelq.kernel.errors import ConfigurationError, Unreachable
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import LOOP, TIMER
from kernelq_worker.loop import WorkerLoop


class Hub(Step):
    """Provides the loop; it turns in the thread that runs the worker."""

    requires = (TIMER,)
    provides = (LOOP,)

    def __init__(self) -> None:
        self._loop: WorkerLoop | None = None

    def start(self, ctx: Context) -> None:
        """Make the loop."""
        self._loop = WorkerLoop(ctx[TIMER])  # type: ignore[arg-type]  # the step Timer made it
        self._loop.propagate = (Unreachable, ConfigurationError)
        ctx[LOOP] = self._loop

    def stop(self, ctx: Context) -> None:
        """Free the loop's descriptors."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None
