"""Graphviz's dot, as text."""

from __future__ import annotations

from kernelq.cli.graph import dot


def text(*lines):
    return "\n".join(lines)


def test_dot(graph):
    assert text(
        "digraph kernelq {",
        "  rankdir=TB;",
        "  node [shape=box];",
        '  subgraph "cluster_worker" {',
        '    label="worker";',
        '    "worker.Hub" [label="Hub"];',
        '    "worker.Queues" [label="Queues"];',
        '    "worker.StateDB" [label="StateDB"];',
        '    "worker.Timer" [label="Timer"];',
        '    "worker.Pool" [label="Pool"];',
        '    "worker.Consumer" [label="Consumer"];',
        '    "worker.Autoscaler" [label="Autoscaler", style=dashed, tooltip="--autoscale not given"];',
        '    "worker.Beat" [label="Beat", style=dashed, tooltip="-B not given"];',
        '    "worker.Hub" -> "worker.Timer";',
        '    "worker.Timer" -> "worker.Pool";',
        '    "worker.Queues" -> "worker.Consumer";',
        '    "worker.StateDB" -> "worker.Consumer";',
        '    "worker.Pool" -> "worker.Consumer";',
        "  }",
        "}",
    ) == dot.view([graph])
