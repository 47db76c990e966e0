"""The plans of a worker, resolved from an app's settings without starting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq.kernel.errors import BlueprintError
from kernelq.kernel.graph import Edge
from kernelq.kernel.plan import Disabled, Plan, PlannedStep

if TYPE_CHECKING:
    from kernelq.app import KernelQ

NAMES = ("worker", "consumer")
GROUP = "kernelq.workers"


class UnknownStep(BlueprintError):
    """A step was named that no blueprint has."""


def planned(app: KernelQ, name: str | None = None) -> list[Plan]:
    """Return the plan of one blueprint, or of both, outer first. Raises a `BlueprintError` that names both sides.

    The worker itself resolves them, so that what is shown is what would be started.
    """
    app.finalize()
    worker = app.discovery.load(GROUP, "default", wanted_by="the command line")
    plans: tuple[Plan, ...] = worker(app).resolve()
    return [plan for plan in plans if name in (None, plan.name)]


def find(plan: Plan, name: str) -> PlannedStep | None:
    """Return the enabled step of that name, or None."""
    return next((step for step in plan.steps if step.name == name), None)


def find_off(plan: Plan, name: str) -> Disabled | None:
    """Return the disabled step of that name, or None."""
    return next((step for step in plan.disabled if step.name == name), None)


def names(plan: Plan) -> list[str]:
    """Return the names of all steps, on and off."""
    return [*(step.name for step in plan.steps), *(step.name for step in plan.disabled)]


def why(plan: Plan, before: str, after: str) -> list[Edge]:
    """Return the shortest chain of edges by which `before` starts first; empty where it need not."""
    chains: dict[str, list[Edge]] = {before: []}
    reached = [before]
    for name in reached:  # grows while it is walked, so nearer steps come first
        for edge in plan.edges:
            if edge.before == name and edge.after not in chains:
                chains[edge.after] = [*chains[name], edge]
                reached.append(edge.after)
    return chains.get(after, [])
