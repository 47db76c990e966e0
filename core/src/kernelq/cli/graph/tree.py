"""A tree: each step below the last of those that it waits for, the others named beside it."""

from __future__ import annotations

from collections import defaultdict

from kernelq.cli.graph.model import Graph, Node

UNICODE = ("├─ ", "╰─ ", "│  ", "   ")
ASCII = ("|- ", "`- ", "|  ", "   ")


def view(graph: Graph, unicode: bool) -> str:
    """Return the tree; the steps that are off stand at its end."""
    tee, corner, bar, blank = UNICODE if unicode else ASCII
    below: dict[str | None, list[Node]] = defaultdict(list)
    for node in graph.enabled:
        below[node.after[-1] if node.after else None].append(node)
    lines = []
    pending = [(node, "", "") for node in reversed(below[None])]  # a stack: a chain may be deeper than recursion is
    while pending:
        node, own, inner = pending.pop()
        also = f" (and after {', '.join(node.after[:-1])})" if len(node.after) > 1 else ""
        lines.append(f"{own}{node.name}{also}")
        children = below[node.name]
        for child in reversed(children):
            last = child is children[-1]
            pending.append((child, inner + (corner if last else tee), inner + (blank if last else bar)))
    lines += [f"{node.name}: off, {node.why}" for node in graph.disabled]
    return "\n".join(lines)
