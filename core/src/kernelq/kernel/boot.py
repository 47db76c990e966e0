"""A boot: the instances of a plan's steps, started forward and stopped backward."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from kernelq.kernel.errors import StepFault
from kernelq.kernel.keys import Context, StepContext
from kernelq.kernel.plan import Plan, PlannedStep
from kernelq.kernel.step import Step

Listener = Callable[[str, str], None]
"""Told ``(what, step name)``; what is one of starting, started, stopping, stopped, failed."""


class Boot:
    """The life of one plan. Start and stop are idempotent, safe from any thread, and wait for each other."""

    def __init__(self, plan: Plan, ctx: Context, listener: Listener | None = None) -> None:
        self.plan = plan
        self.ctx = ctx
        self.timings: dict[str, dict[str, float]] = {}
        """Seconds that each step's ``start`` and ``stop`` took, by step name."""
        self.failures: list[tuple[str, Exception]] = []
        """What raised while stopping; the others were stopped nevertheless."""
        self._tell = listener or (lambda what, name: None)
        self._live: list[tuple[PlannedStep, Step]] = []
        self._lock = threading.RLock()

    @property
    def started(self) -> list[str]:
        """Names of the steps that are up, in the order of their start."""
        return [planned.name for planned, _ in self._live]

    def start(self) -> None:
        """Start every step in order. Where one raises, it and those before it are stopped in reverse."""
        with self._lock:
            if self._live:
                return
            for planned in self.plan.steps:
                step = planned.cls()
                self._live.append((planned, step))
                try:
                    self._start_one(planned, step)
                except BaseException as error:
                    self._tell("failed", planned.name)
                    error.add_note(f"while starting the step {planned.name} ({planned.distribution})")
                    self._unwind("stop")
                    raise

    def run(self) -> None:
        """Run the one step that has a `run`, if any, until that returns."""
        for planned, step in list(self._live):
            if planned.cls.run is not Step.run:
                step.run(self._view(planned))

    def stop(self) -> None:
        """Stop every started step, in reverse; wait for each."""
        self._unwind("stop")

    def terminate(self) -> None:
        """End every started step, in reverse, at once."""
        self._unwind("terminate")

    def info(self) -> dict[str, dict[str, Any]]:
        """Return each started step's info by name, without the empty ones."""
        answers = ((planned.name, step.info(self._view(planned))) for planned, step in list(self._live))
        return {name: answer for name, answer in answers if answer}

    def _start_one(self, planned: PlannedStep, step: Step) -> None:
        self._tell("starting", planned.name)
        began = perf_counter()
        step.start(self._view(planned))
        self.timings.setdefault(planned.name, {})["start"] = perf_counter() - began
        if unset := [key.name for key in planned.cls.provides if key not in self.ctx]:
            raise StepFault(
                f"step {planned.name} at {planned.declared_at} declares that it provides {unset[0]!r}, "
                f"but its start() did not set it"
            )
        self._tell("started", planned.name)

    def _unwind(self, how: str) -> None:
        with self._lock:
            while self._live:
                planned, step = self._live[-1]
                self._tell("stopping", planned.name)
                began = perf_counter()
                try:
                    getattr(step, how)(self._view(planned))
                except Exception as error:  # noqa: BLE001 - the rest must be stopped; the failure is kept and told
                    self.failures.append((planned.name, error))
                    self._tell("failed", planned.name)
                self.timings.setdefault(planned.name, {})["stop"] = perf_counter() - began
                for key in planned.cls.provides:
                    self.ctx.discard(key)
                self._live.pop()
                self._tell("stopped", planned.name)

    def _view(self, planned: PlannedStep) -> StepContext:
        cls = planned.cls
        return StepContext(planned.name, self.ctx, frozenset((*cls.requires, *cls.wants)), frozenset(cls.provides))
