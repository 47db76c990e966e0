"""One model under all views, for plans of any size."""

from __future__ import annotations

import pytest

from kernelq.cli.graph import lanes, layers, rows, tree
from kernelq.cli.graph.model import build, key_of, reduced


def plain(words, **how):
    return words


def test_a_thousand_steps_have_a_line_each_in_every_view(long_plan):
    graph = build(long_plan)
    assert 1003 == len(lanes.view(graph, 80, True, plain).splitlines())
    assert 1000 == len(tree.view(graph, False).splitlines())
    assert 1000 == len(layers.view(graph, 80).splitlines())
    assert 1000 == len(rows.rows(graph))


@pytest.mark.parametrize(
    ("edges", "kept"),
    [
        ([("A", "B"), ("B", "C"), ("A", "C")], {"A": (), "B": ("A",), "C": ("B",)}),
        ([("A", "C"), ("B", "C"), ("A", "C")], {"A": (), "B": (), "C": ("A", "B")}),
    ],
)
def test_what_other_edges_imply_is_not_drawn(edges, kept):
    assert kept == reduced(["A", "B", "C"], edges)


@pytest.mark.parametrize(
    ("reason", "key"), [("Pool requires key 'loop'", "loop"), ("B wants key 'a.b'", "a.b"), ("B starts after A", None)]
)
def test_the_key_of_an_edge(reason, key):
    assert key == key_of(reason)
