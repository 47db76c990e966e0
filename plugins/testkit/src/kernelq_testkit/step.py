"""StepConformance: one part of a worker with a lifetime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from kernelq.kernel.keys import Context, Key, StepContext
from kernelq.kernel.step import Step
from kernelq.keys import LOOP
from kernelq_testkit.leftovers import CountingLoop, Leftovers
from kernelq_testkit.stress import StartStopStress, boot_of

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings


class StepConformance:
    """Holds a step to `kernelq.kernel.step.Step`.

    Subclass it with the fixtures `step` (the class), `settings` under which it is enabled, and `values`: what other
    steps would provide. The default of `values` is a loop that counts its timers, under ``LOOP``.
    """

    @pytest.fixture
    def step(self) -> type[Step]:
        """Return the step's class. Override it."""
        raise NotImplementedError("give your subclass a fixture named step")

    @pytest.fixture
    def settings(self, kernelq_app: Any) -> Settings:
        """Return settings under which the step is enabled."""
        settings: Settings = kernelq_app.conf
        return settings

    @pytest.fixture
    def counting_loop(self) -> Iterator[CountingLoop]:
        """A loop that knows its live timers."""
        loop = CountingLoop()
        yield loop
        loop.close()

    @pytest.fixture
    def values(self, counting_loop: CountingLoop) -> dict[Key[Any], Any]:
        """Return the values of the keys that the step requires or wants."""
        return {LOOP: counting_loop}

    def test_declarations_are_of_the_contract(self, step: type[Step]) -> None:
        """Keys are keys, names are names, and each key is declared once."""
        keys = [*step.requires, *step.wants, *step.provides]
        assert all(isinstance(key, Key) for key in keys)
        assert len(keys) == len(set(keys))
        assert all(isinstance(name, str) for name in (*step.after, *step.before))

    def test_enabled_answers(self, step: type[Step], settings: Settings) -> None:
        """True, or a reason in words."""
        answer = step.enabled(settings)
        assert answer is True, f"under these settings the step is off: {answer}"

    def test_start_provides_what_it_declares(
        self, step: type[Step], settings: Settings, values: dict[Key[Any], Any]
    ) -> None:
        """After `start` every key of `provides` is set; after `stop` the step left nothing behind."""
        leftovers = Leftovers(_loop(values))
        boot = boot_of(step, settings, values)
        boot.start()
        assert all(key in boot.ctx for key in step.provides)
        json.dumps(boot.info())
        boot.stop()
        assert boot.failures == []
        leftovers.check()

    def test_stop_is_idempotent(self, step: type[Step], values: dict[Key[Any], Any]) -> None:
        """It may come before `start`, and twice after it; `terminate` too."""
        instance, ctx = step(), view(step, values)
        instance.stop(ctx)
        instance.terminate(ctx)
        instance = step()
        instance.start(ctx)
        instance.stop(ctx)
        instance.stop(ctx)
        instance.terminate(ctx)

    def test_terminate_ends_it(self, step: type[Step], settings: Settings, values: dict[Key[Any], Any]) -> None:
        """`terminate` alone leaves nothing behind either."""
        leftovers = Leftovers(_loop(values))
        boot = boot_of(step, settings, values)
        boot.start()
        boot.terminate()
        assert boot.failures == []
        leftovers.check()

    def test_resolving_changes_no_class(
        self, step: type[Step], settings: Settings, values: dict[Key[Any], Any]
    ) -> None:
        """A class looks the same after any number of plans and lives."""
        before = dict(vars(step))
        for _ in range(2):
            boot = boot_of(step, settings, values)
            boot.start()
            boot.stop()
        assert dict(vars(step)) == before

    def test_start_stop_stress(self, step: type[Step], settings: Settings, values: dict[Key[Any], Any]) -> None:
        """Ten threads with fifty starts and stops leave no thread, no descriptor, no timer."""
        StartStopStress(step, settings, values).run()


def view(step: type[Step], values: dict[Key[Any], Any]) -> StepContext:
    """Return the context as the step sees it in a worker: what it did not declare, it cannot use."""
    readable = frozenset(step.requires) | frozenset(step.wants)
    return StepContext(step.__name__, Context(values), readable, frozenset(step.provides))


def _loop(values: dict[Key[Any], Any]) -> CountingLoop | None:
    loop = values.get(LOOP)
    return loop if isinstance(loop, CountingLoop) else None
