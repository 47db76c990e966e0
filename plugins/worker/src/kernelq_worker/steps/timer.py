"""The step Timer: what is to be done later."""

from __future__ import annotations

from kernelq.handles import Timers
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import TIMER
from kernelq_worker import loop


class Timer(Step):
    """Provides the timers; the loop fires them. Whatever is still scheduled at the end is dropped."""

    provides = (TIMER,)

    def __init__(self) -> None:
        self._timers: Timers | None = None

    def start(self, ctx: Context) -> None:
        """Make them."""
        self._timers = ctx[TIMER] = loop.Timers()  # type: ignore[no-untyped-call]  # kombu has no types

    def stop(self, ctx: Context) -> None:
        """Drop what is scheduled."""
        if self._timers is not None:
            self._timers.clear()
            self._timers = None
