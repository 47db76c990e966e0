"""One paragraph for each wave: the steps that could start side by side."""

from __future__ import annotations

import textwrap

from kernelq.cli.graph.model import Graph


def view(graph: Graph, width: int) -> str:
    """Return the waves, wrapped at `width`."""
    size = len(str(max(len(graph.waves) - 1, 0)))
    rows = [(f"wave {number:>{size}}", names) for number, names in enumerate(graph.waves)]
    if graph.disabled:
        rows.append(("off".ljust(size + 5), tuple(node.name for node in graph.disabled)))
    return "\n".join(
        textwrap.fill(
            "  ".join(names),
            width,
            initial_indent=title + "  ",
            subsequent_indent=" " * (len(title) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for title, names in rows
    )
