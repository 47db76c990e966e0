"""Git-style lanes: which column a step stands in, and what its line draws.

A lane belongs to a step that others wait for. It runs down from that step to the last one that waits, and those tap it
on the way; a step with one line of the picture is all there is.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from kernelq.cli.graph.model import Node

UNICODE = {"node": "●", "off": "○", "lane": "│", "line": "─", "more": "…"}
ASCII = {"node": "*", "off": "o", "lane": "|", "line": "-", "more": "."}
TAPS = {  # (a line goes left, a line goes right, the lane goes on downward) -> the character of a tapped lane
    (False, True, True): ("├", "+"),
    (False, True, False): ("╰", "`"),
    (True, False, True): ("┤", "+"),
    (True, False, False): ("╯", "'"),
    (True, True, True): ("┼", "+"),
    (True, True, False): ("┴", "'"),
}


@attrs.frozen
class Line:
    """The lanes of one step: its own column, the lanes that pass or end here, and which of them it waits for."""

    column: int
    passing: frozenset[int]
    tapped: frozenset[int]
    ending: frozenset[int]

    @property
    def width(self) -> int:
        """Columns in use."""
        return 1 + max({self.column, *self.passing, *self.tapped})


def lay_out(nodes: Sequence[Node]) -> list[Line]:
    """Return the lanes of each enabled step, from first to last."""
    waiting: dict[str, int] = {}
    for node in nodes:
        for name in node.after:
            waiting[name] = waiting.get(name, 0) + 1
    lanes: dict[str, int] = {}
    blocked: set[int] = set()  # columns that ended on the line above: an unrelated step there would look joined
    lines = []
    for node in nodes:
        tapped = {name: lanes[name] for name in node.after}
        for name in node.after:
            waiting[name] -= 1
        ending = {column for name, column in tapped.items() if not waiting[name]}
        taken = set(lanes.values())
        column = min(ending) if ending else _free(taken | blocked)
        lanes = {name: at for name, at in lanes.items() if waiting[name]}
        lines.append(
            Line(
                column,
                frozenset(taken - set(tapped.values())),
                frozenset(tapped.values()) - {column},
                frozenset(ending) - {column},
            )
        )
        blocked = ending - {column}
        if waiting.get(node.name):
            lanes[node.name] = column
        else:
            blocked.add(column)
    return lines


def _free(taken: set[int]) -> int:
    column = 0
    while column in taken:
        column += 1
    return column


def render(line: Line, limit: int, unicode: bool) -> str:
    """Return one line of lanes, two characters a column, at most `limit` columns; more are shown as one mark."""
    marks = UNICODE if unicode else ASCII
    left = min({line.column, *line.tapped})
    right = max({line.column, *line.tapped})
    text = []
    for column in range(min(line.width, limit)):
        text.append(_mark(line, column, left, right, marks, unicode))
        text.append(marks["line"] if left <= column < right else " ")
    if line.width > limit:
        text[-2:] = [marks["node"] if line.column >= limit - 1 else text[-2], marks["more"]]
    return "".join(text).rstrip()


def _mark(line: Line, column: int, left: int, right: int, marks: dict[str, str], unicode: bool) -> str:
    if column == line.column:
        return marks["node"]
    if column in line.tapped:
        return TAPS[column > left, column < right, column not in line.ending][0 if unicode else 1]
    if column in line.passing:
        return marks["lane"]
    return marks["line"] if left < column < right else " "
