"""The order of a graph depends on its names and edges, and on nothing else."""

from __future__ import annotations

import itertools

from kernelq.kernel.graph import Edge, sort


def edge(before: str, after: str) -> Edge:
    return Edge(before, after, f"{after} requires {before}", "here.py:1", "app")


def test_ties_are_broken_by_name_whatever_the_order_of_the_input():
    """`c` must follow `b`; `a` is free and comes first by its name."""
    edges = [edge("b", "c"), edge("a", "d")]
    expected = (["a", "b", "c", "d"], [["a", "b"], ["c", "d"]], [])

    for names in itertools.permutations("abcd"):
        assert expected == sort(names, edges)
        assert expected == sort(names, edges[::-1])


def test_a_ring_is_returned_as_its_names():
    """What hangs on the ring is not part of it."""
    order, waves, ring = sort("abcd", [edge("a", "b"), edge("b", "c"), edge("c", "a"), edge("c", "d")])

    assert ([], []) == (order, waves)
    assert {"a", "b", "c"} == set(ring)
