"""Plans made by hand: nothing in them depends on this machine."""

from __future__ import annotations

import pytest

from kernelq.cli.graph.model import Graph, build
from kernelq.kernel.graph import Edge
from kernelq.kernel.plan import Disabled, Plan, PlannedStep
from kernelq.kernel.step import Step


def _make_plan(name, steps, edges, disabled=()):
    """`steps` are (name, wave, provided key), `edges` (before, after, key or None), `disabled` (name, reason)."""
    needs = {one: tuple(key for _, after, key in edges if after == one and key) for one, _, _ in steps}
    waves = [[one for one, wave, _ in steps if wave == number] for number in range(1 + max(w for _, w, _ in steps))]
    return Plan(
        name=name,
        steps=tuple(
            PlannedStep(one, wave, "kernelq-worker", "1.2.3", f"steps/{one}.py:7", needs[one], (), (key,), Step)
            for one, wave, key in steps
        ),
        waves=tuple(tuple(wave) for wave in waves),
        edges=tuple(
            sorted(
                Edge(
                    before, after, f"{after} requires key {key!r}" if key else f"{after} starts after {before}",
                    f"steps/{after}.py:7", "kernelq-worker",
                )
                for before, after, key in edges
            )
        ),
        disabled=tuple(Disabled(one, why, "kernelq-beat", "1.2.3", f"steps/{one}.py:7") for one, why in disabled),
    )  # fmt: skip


@pytest.fixture
def plan():
    return _make_plan(
        "worker",
        [("Hub", 0, "loop"), ("Queues", 0, "queues"), ("StateDB", 0, "state"), ("Timer", 1, "timer"),
         ("Pool", 2, "pool"), ("Consumer", 3, "consumer")],
        [("Hub", "Timer", "loop"), ("Hub", "Pool", "loop"), ("Timer", "Pool", "timer"), ("Hub", "Consumer", "loop"),
         ("Pool", "Consumer", "pool"), ("Queues", "Consumer", "queues"), ("StateDB", "Consumer", None)],
        [("Beat", "off: -B not given"), ("Autoscaler", "off: --autoscale not given")],
    )  # fmt: skip


@pytest.fixture
def graph(plan) -> Graph:
    return build(plan)


@pytest.fixture
def long_plan():
    """A thousand steps: each needs the one before it, the one 7 before it, and the first."""
    steps = [(f"Step{n:04}", n, f"key{n}") for n in range(1000)]
    pairs = {(max(n - back, 0), n) for n in range(1, 1000) for back in (1, 7, n)}
    edges = [(steps[before][0], steps[after][0], f"key{before}") for before, after in pairs]
    return _make_plan("worker", steps, sorted(edges))


@pytest.fixture
def make_plan():
    return _make_plan
