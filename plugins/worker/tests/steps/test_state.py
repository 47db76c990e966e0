"""The step StateDB, and workers that were killed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.clock import GREATEST
from kernelq.kernel.keys import Context
from kernelq.keys import APP, LOOP, STATE, WORKER
from kernelq_testkit.leftovers import CountingLoop
from kernelq_testkit.step import StepConformance
from kernelq_worker.steps.state import StateDB


def context(path: Path | None, loop: Any, **settings: Any) -> Context:
    """What the step finds in a worker named w1@test."""
    app = KernelQ("t", worker_state_db=path and f"{path}/%n.state", **settings)
    return Context({APP: app, WORKER: SimpleNamespace(hostname="w1@test"), LOOP: loop})


@pytest.fixture
def loop() -> Any:
    made = CountingLoop()
    yield made
    made.close()


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return StateDB

    @pytest.fixture
    def values(self, tmp_path, counting_loop):
        ctx = context(tmp_path, counting_loop)
        return {key: ctx[key] for key in (APP, WORKER, LOOP)}


def test_revokes_and_the_clock_are_there_after_a_restart(tmp_path: Path, loop: Any) -> None:
    ctx = context(tmp_path, loop)
    step = StateDB()
    step.start(ctx)
    ctx[STATE].revoke(["a", "b"])
    ctx[APP].clock.adjust(41)
    at = dict(ctx[STATE].revoked)
    step.stop(ctx)

    again = context(tmp_path, loop)
    other = StateDB()
    other.start(again)

    assert at == again[STATE].revoked
    assert 43 == again[APP].clock.value, "a message received after all that were before"
    assert {"revoked": 2, "file": f"{tmp_path}/w1.state"} == other.info(again)
    other.stop(again)


def test_after_a_kill_the_clock_has_not_gone_back(tmp_path: Path, loop: Any) -> None:
    ctx = context(tmp_path, loop)
    killed = StateDB()
    killed.start(ctx)
    for _ in range(1000):
        ctx[APP].clock.forward()
    assert killed._file is not None
    killed._file.close()  # as the kernel does; nothing is written any more

    again = context(tmp_path, loop)
    step = StateDB()
    step.start(again)

    assert again[APP].clock.value > 1000
    step.stop(again)


def test_the_greatest_clock_can_be_kept(tmp_path: Path, loop: Any) -> None:
    """It comes from others, in any message."""
    ctx = context(tmp_path, loop)
    step = StateDB()
    step.start(ctx)
    ctx[APP].clock.adjust(GREATEST)
    step._look()
    step.stop(ctx)

    again = context(tmp_path, loop)
    step = StateDB()
    step.start(again)

    assert again[APP].clock.value > GREATEST
    step.stop(again)


def test_the_settings_bound_what_is_remembered(loop: Any) -> None:
    ctx = context(None, loop, worker_revokes_max=2)
    step = StateDB()
    step.start(ctx)

    ctx[STATE].revoke(["a", "b", "c"])

    assert ["b", "c"] == list(ctx[STATE].revoked)
    step.stop(ctx)
