"""The lanes say what the edges say, whatever the graph."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kernelq.cli.graph.draw import lay_out, render
from kernelq.cli.graph.model import Node, reduced


def nodes_of(order, edges):
    after = reduced(order, edges)
    return [Node(name, 0, "d", "1", "f:1", True, "", None, after[name]) for name in order]


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 14))
    pairs = [(a, b) for b in range(size) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=40)) if pairs else []
    return [f"S{n}" for n in range(size)], [(f"S{a}", f"S{b}") for a, b in chosen]


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_reading_the_lanes_gives_the_edges_back(graph):
    """Follow each column downward: the step it came from, and who taps it, are the reduced edges."""
    nodes = nodes_of(*graph)
    owner, read = {}, {}
    for node, line in zip(nodes, lay_out(nodes), strict=True):
        joined = {line.column} if line.column in owner else set()
        read[node.name] = {owner[column] for column in line.tapped | joined}
        assert set(owner) == line.passing | line.tapped | joined
        for column in line.ending | joined:
            del owner[column]
        if any(node.name in other.after for other in nodes):
            owner[line.column] = node.name
    assert {node.name: set(node.after) for node in nodes} == read
    assert not owner


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_a_column_is_not_given_to_a_stranger_on_the_line_after_its_end(graph):
    nodes = nodes_of(*graph)
    lines = lay_out(nodes)
    for above, node, line, previous in zip(lines, nodes[1:], lines[1:], nodes, strict=False):
        if line.column == above.column:
            assert previous.name in node.after


def test_a_line_crosses_a_lane_that_it_does_not_tap():
    nodes = nodes_of(["A", "B", "C", "D"], [("A", "C"), ("A", "D"), ("B", "D")])
    assert ["●", "│ ●", "├─│─●", "●─╯"] == [render(line, 10, True) for line in lay_out(nodes)]
