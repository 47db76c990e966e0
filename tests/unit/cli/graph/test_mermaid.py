"""Mermaid, as text."""

from __future__ import annotations

from kernelq.cli.graph import mermaid


def text(*lines):
    return "\n".join(lines)


def test_mermaid(graph):
    assert text(
        "flowchart TD",
        '  subgraph worker["worker"]',
        '    s0["Hub"]',
        '    s1["Queues"]',
        '    s2["StateDB"]',
        '    s3["Timer"]',
        '    s4["Pool"]',
        '    s5["Consumer"]',
        '    s6["Autoscaler"]',
        '    s7["Beat"]',
        "    s0 --> s3",
        "    s3 --> s4",
        "    s1 --> s5",
        "    s2 --> s5",
        "    s4 --> s5",
        "  end",
        "  classDef off stroke-dasharray: 4 4",
        "  class s6,s7 off",
    ) == mermaid.view([graph])
