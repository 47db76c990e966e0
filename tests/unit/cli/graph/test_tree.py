"""The tree, as text."""

from __future__ import annotations

from kernelq.cli.graph import tree


def text(*lines):
    return "\n".join(lines)


def test_tree(graph):
    assert text(
        "Hub",
        "╰─ Timer",
        "   ╰─ Pool",
        "      ╰─ Consumer (and after Queues, StateDB)",
        "Queues",
        "StateDB",
        "Autoscaler: off, --autoscale not given",
        "Beat: off, -B not given",
    ) == tree.view(graph, True)
