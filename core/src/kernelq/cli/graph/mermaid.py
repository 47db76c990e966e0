"""Mermaid, which GitHub and most documentation tools draw in the browser."""

from __future__ import annotations

from collections.abc import Sequence

from kernelq.cli.graph.model import Graph


def view(graphs: Sequence[Graph]) -> str:
    """Return one flowchart with a subgraph for each blueprint."""
    lines = ["flowchart TD"]
    number = 0
    off = []
    for graph in graphs:
        ids = {}
        lines.append(f'  subgraph {graph.blueprint}["{_escaped(graph.blueprint)}"]')
        for node in graph.nodes:
            ids[node.name] = f"s{number}"
            number += 1
            lines.append(f'    {ids[node.name]}["{_escaped(node.name)}"]')
        lines += [f"    {ids[before]} --> {ids[node.name]}" for node in graph.enabled for before in node.after]
        lines.append("  end")
        off += [ids[node.name] for node in graph.disabled]
    if off:
        lines += ["  classDef off stroke-dasharray: 4 4", f"  class {','.join(off)} off"]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
