"""The default view: one line a step, lanes beside a table, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kernelq.cli.graph.draw import ASCII, UNICODE, lay_out, render
from kernelq.cli.graph.model import Graph, Node

Style = Callable[..., str]
NARROW = 80
"""Below this many columns the gaps shrink and a distribution's name loses its prefix, to leave room for the reason."""


def view(graph: Graph, width: int, unicode: bool, style: Style) -> str:
    """Return the lanes and the table, no line wider than `width`; `style` colours a text."""
    marks = UNICODE if unicode else ASCII
    limit = max(3, width // 8)
    lines = lay_out(graph.enabled)
    pictures = [render(line, limit, unicode) for line in lines] + [marks["off"]] * len(graph.disabled)
    room = max([len(picture) for picture in pictures], default=1)
    cells = [_cells(node, width) for node in graph.nodes]
    titles = ["wave", "step", "from", "state", "time", "why"]
    widths = _widths([titles, *cells], room, width)
    more = marks["more"]
    text = [style(_line(" " * room, titles, widths, width, more), bold=True)]
    for node, picture, row in zip(graph.nodes, pictures, cells, strict=True):
        line = _line(picture.ljust(room), row, widths, width, more)
        text.append(_coloured(line, node, room, style))
    text += ["", _clip(_summary(graph, unicode), width, more)]
    return "\n".join(text)


def _cells(node: Node, width: int) -> list[str]:
    wave = "-" if node.wave is None else str(node.wave)
    seconds = "-" if node.seconds is None else f"{node.seconds * 1000:.1f} ms"
    origin = node.distribution.removeprefix("kernelq-") if width < NARROW else node.distribution
    return [wave, node.name, origin, "on" if node.on else "off", seconds, node.why]


def _widths(rows: Sequence[Sequence[str]], room: int, width: int) -> list[int]:
    """Return the widths of all columns but the last, names cut where little room is left."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    spare = width - room - len(_gap(width)) * (len(widths) + 1)
    for column, least in ((2, 6), (1, 8)):
        excess = sum(widths) + max(12, width // 4) - spare
        widths[column] -= min(max(excess, 0), max(widths[column] - least, 0))
    return widths


def _line(picture: str, cells: Sequence[str], widths: Sequence[int], width: int, more: str) -> str:
    fixed = [_clip(cell, size, more).ljust(size) for cell, size in zip(cells, widths, strict=False)]
    return _clip(_gap(width).join([picture, *fixed, cells[-1]]), width, more).rstrip()


def _gap(width: int) -> str:
    return " " if width < NARROW else "  "


def _clip(text: str, width: int, more: str) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + more


def _coloured(line: str, node: Node, room: int, style: Style) -> str:
    if not node.on:
        return style(line, dim=True)
    return style(line[:room], fg="cyan") + line[room:]


def _summary(graph: Graph, unicode: bool) -> str:
    dot = " · " if unicode else ", "
    parts = [
        f"{graph.blueprint}: {len(graph.enabled)} steps in {len(graph.waves)} waves",
        f"{len(graph.disabled)} off",
        f"plan {graph.digest[:12]}",
    ]
    return dot.join(parts)
