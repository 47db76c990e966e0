"""The waves, as text."""

from __future__ import annotations

from kernelq.cli.graph import layers


def text(*lines):
    return "\n".join(lines)


def test_layers(graph):
    assert text(
        "wave 0  Hub  Queues  StateDB",
        "wave 1  Timer",
        "wave 2  Pool",
        "wave 3  Consumer",
        "off     Autoscaler  Beat",
    ) == layers.view(graph, 60)
