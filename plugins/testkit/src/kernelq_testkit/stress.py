"""Starting and stopping a step from many threads, many times."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from kernelq.kernel.blueprint import Blueprint, Candidate
from kernelq.kernel.boot import Boot
from kernelq.kernel.keys import Context, Key
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq_testkit.leftovers import CountingLoop, Leftovers

THREADS = 10
TIMES = 50


def boot_of(step: type[Step], settings: Settings, values: Mapping[Key[Any], Any]) -> Boot:
    """Return a boot of this one step, with `values` for the keys that other steps would provide."""
    blueprint = Blueprint("kit")
    plan = blueprint.resolve([Candidate(step.name or step.__name__, step)], settings, given=values)
    assert plan.steps, f"the step is off: {plan.disabled[0].reason}"
    return Boot(plan, Context(values))


class StartStopStress:
    """Ten threads start and stop one step fifty times each; then nothing of it may be left.

    ``StartStopStress(MyStep, settings, {LOOP: loop}).run()``; a `CountingLoop` among the values tells of timers too.
    """

    def __init__(self, step: type[Step], settings: Settings, values: Mapping[Key[Any], Any] | None = None) -> None:
        self._step = step
        self._settings = settings
        self._values = dict(values or {})
        self.failures: list[BaseException] = []

    def run(self, threads: int = THREADS, times: int = TIMES) -> None:
        """Do it; raises the first failure of a start, AssertionError for a failed stop and for what was left behind."""
        loop = next((value for value in self._values.values() if isinstance(value, CountingLoop)), None)
        self._warm_up()
        leftovers = Leftovers(loop)
        boot = boot_of(self._step, self._settings, self._values)
        workers = [threading.Thread(target=self._many, args=(boot, times)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        boot.stop()
        boot.stop()
        if self.failures:
            raise self.failures[0]
        assert boot.failures == [], f"stopping failed: {boot.failures[0]}"
        assert boot.started == []
        leftovers.check()

    def _warm_up(self) -> None:
        """Start and stop once, so that what is made once for ever is not taken for a leftover."""
        boot = boot_of(self._step, self._settings, self._values)
        boot.start()
        boot.stop()

    def _many(self, boot: Boot, times: int) -> None:
        try:
            for _ in range(times):
                boot.start()
                boot.stop()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test's thread
            self.failures.append(error)
