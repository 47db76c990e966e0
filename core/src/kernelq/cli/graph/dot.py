"""Graphviz's dot, for those who have Graphviz; nothing here needs it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kernelq.cli.graph.model import Graph


def view(graphs: Sequence[Graph]) -> str:
    """Return one digraph with a cluster for each blueprint; quoting is that of JSON, which dot shares."""
    lines = ["digraph kernelq {", "  rankdir=TB;", "  node [shape=box];"]
    for graph in graphs:
        lines += [f"  subgraph {_quoted('cluster_' + graph.blueprint)} {{", f"    label={_quoted(graph.blueprint)};"]
        for node in graph.nodes:
            style = "" if node.on else f", style=dashed, tooltip={_quoted(node.why)}"
            lines.append(f"    {_id(graph, node.name)} [label={_quoted(node.name)}{style}];")
        lines += [
            f"    {_id(graph, before)} -> {_id(graph, node.name)};" for node in graph.enabled for before in node.after
        ]
        lines.append("  }")
    return "\n".join([*lines, "}"])


def _id(graph: Graph, name: str) -> str:
    return _quoted(f"{graph.blueprint}.{name}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
