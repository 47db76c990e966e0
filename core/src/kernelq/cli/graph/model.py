"""The model under all views of a plan: plain data in a fixed order, whatever the hash seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kernelq.kernel.plan import Plan


@attrs.frozen
class Node:
    """One step: enabled and placed, or off."""

    name: str
    wave: int | None
    """None where the step is off."""
    distribution: str
    version: str
    declared_at: str
    on: bool
    why: str
    """Why it stands where it stands, or why it is off."""
    seconds: float | None
    """How long its start took; None where nothing was started."""
    after: tuple[str, ...]
    """The steps it waits for, in the order of starting, without those that others of them imply."""


@attrs.frozen
class Graph:
    """A plan as the views show it."""

    blueprint: str
    digest: str
    nodes: tuple[Node, ...]
    """Enabled steps in the order of starting, then those that are off, by name."""
    waves: tuple[tuple[str, ...], ...]
    data: Mapping[str, Any]
    """The whole plan, every edge included, for the JSON view."""

    @property
    def enabled(self) -> tuple[Node, ...]:
        """The steps that would start, in order."""
        return tuple(node for node in self.nodes if node.on)

    @property
    def disabled(self) -> tuple[Node, ...]:
        """The steps that are off, by name."""
        return tuple(node for node in self.nodes if not node.on)


def build(plan: Plan, seconds: Mapping[str, float] | None = None) -> Graph:
    """Return the model of `plan`; `seconds` are measured start times by step name."""
    took = seconds or {}
    order = [step.name for step in plan.steps]
    before = reduced(order, [(edge.before, edge.after) for edge in plan.edges])
    reasons = _reasons(plan)
    placed = [
        Node(
            step.name, step.wave, step.distribution, step.version, step.declared_at, True,
            reasons.get(step.name, "needs nothing"), took.get(step.name), before[step.name],
        )
        for step in plan.steps
    ]  # fmt: skip
    off = [
        Node(one.name, None, one.distribution, one.version, one.declared_at, False, _without_off(one.reason), None, ())
        for one in sorted(plan.disabled, key=lambda one: one.name)
    ]
    return Graph(plan.name, plan.digest, (*placed, *off), plan.waves, plan.to_dict())


def _without_off(reason: str) -> str:
    """Return a reason without the word that the state column says already: ``off: not given``."""
    return reason.removeprefix("off:").strip() or reason


def reduced(order: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return what each step waits for, without what follows from the rest (the transitive reduction).

    Sets of ancestors are bits of an int, so a thousand steps take milliseconds.
    """
    place = {name: number for number, name in enumerate(order)}
    direct: dict[str, set[int]] = defaultdict(set)
    for before, after in edges:
        direct[after].add(place[before])
    ancestors: list[int] = []
    reduced = {}
    for name in order:
        reached, kept = 0, []
        for number in sorted(direct[name], reverse=True):  # a later one may imply an earlier one, never the reverse
            if not reached >> number & 1:
                kept.append(number)
                reached |= ancestors[number] | 1 << number
        ancestors.append(reached)
        reduced[name] = tuple(order[number] for number in reversed(kept))
    return reduced


def key_of(reason: str) -> str | None:
    """Return the key that an edge's reason speaks of (``Pool requires key 'loop'``), or None."""
    _, found, rest = reason.partition("key '")
    return rest.partition("'")[0] if found else None


def _reasons(plan: Plan) -> dict[str, str]:
    """Return for each step, in few words, which keys it needs and uses, from whom, and what it was put after."""
    required = {step.name: set(step.requires) for step in plan.steps}
    words: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"needs": [], "uses": [], "after": []})
    for edge in plan.edges:
        key = key_of(edge.reason)
        if key is None:
            words[edge.after]["after"].append(edge.before)
        else:
            words[edge.after]["needs" if key in required[edge.after] else "uses"].append(f"{key} ({edge.before})")
    return {
        name: "; ".join(f"{verb} {', '.join(sorted(set(several)))}" for verb, several in kinds.items() if several)
        for name, kinds in words.items()
    }
