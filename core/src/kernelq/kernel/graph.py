"""In what order? The only user of networkx."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs


@attrs.frozen(order=True)
class Edge:
    """One reason for an order: `before` starts before `after`."""

    before: str
    after: str
    reason: str
    """``after requires key 'pool'``, in words."""
    declared_at: str
    """File and line of the step that declared it."""
    distribution: str


Sort = Callable[[Iterable[str], Sequence[Edge]], tuple[list[str], list[list[str]], list[str]]]


def sort(names: Iterable[str], edges: Sequence[Edge]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the lexicographical topological order, its waves, and a ring of names where there is no order.

    Steps of one wave do not depend on each other. The same names and edges give the same order, however they come.
    """
    import networkx as nx  # 66 ms and 15 MB; only what resolves a blueprint pays for it

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(sorted(names))
    graph.add_edges_from((edge.before, edge.after) for edge in sorted(edges))
    try:
        waves = [sorted(wave) for wave in nx.topological_generations(graph)]
        return list(nx.lexicographical_topological_sort(graph)), waves, []
    except nx.NetworkXUnfeasible:
        return [], [], [before for before, _ in nx.find_cycle(graph)]
