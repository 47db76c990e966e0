"""The plan as data: one row a step, or the whole of it."""

from __future__ import annotations

from typing import Any

from kernelq.cli.graph.model import Graph

TITLES = ("wave", "step", "distribution", "version", "state", "seconds", "after", "why", "declared_at")


def rows(graph: Graph) -> list[dict[str, Any]]:
    """Return one row for each step, for `table`, `jsonl` and `plain`."""
    return [
        {
            "blueprint": graph.blueprint,
            "wave": node.wave,
            "step": node.name,
            "distribution": node.distribution,
            "version": node.version,
            "state": "on" if node.on else "off",
            "seconds": node.seconds,
            "after": ", ".join(node.after) or None,
            "why": node.why,
            "declared_at": node.declared_at,
        }
        for node in graph.nodes
    ]


def data(graph: Graph) -> dict[str, Any]:
    """Return the whole plan with its digest."""
    return {**graph.data, "digest": graph.digest}
