"""Who is elected, as each node sees it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelq_gossip import elections
from kernelq_gossip.elections import Elections


class Cluster:
    """Nodes on a bus that brings every event to all of them, in one order; each has a clock of its own."""

    def __init__(self, clocks: list[int]) -> None:
        self.clocks = clocks
        self.done: list[tuple[int, Any]] = []
        self.queues: list[list[dict[str, Any]]] = [[] for _ in clocks]
        self.waiting: list[list[tuple[Any, ...]]] = [[] for _ in clocks]
        self.nodes = [self._node(number) for number in range(len(clocks))]

    def _node(self, number: int) -> Elections:
        def send(kind: str, **fields: Any) -> None:
            self.clocks[number] += 1
            event = {"type": kind, "hostname": f"w{number}@h", "pid": 7, "clock": self.clocks[number], **fields}
            for queue in self.queues:
                queue.append(event)

        def later(seconds: float, function: Any, *args: Any) -> None:
            self.waiting[number].append((function, *args))

        node = Elections(f"w{number}@h.7", send, lambda: len(self.clocks) - 1, later)
        node.on_won("mark", lambda action: self.done.append((number, action)))
        return node

    def take(self, number: int) -> None:
        """Let a node take its next event."""
        event = self.queues[number].pop(0)
        self.clocks[number] = max(self.clocks[number], event["clock"]) + 1
        node = self.nodes[number]
        node.on_elect(event) if event["type"] == "worker-elect" else node.on_vote(event)

    def vote(self, number: int) -> None:
        """Let a node send a vote that it has put off."""
        function, *args = self.waiting[number].pop(0)
        function(*args)


@given(clocks=st.lists(st.integers(0, 9), min_size=1, max_size=5), data=st.data())
def test_one_node_wins_however_the_events_come(clocks: list[int], data: st.DataObject) -> None:
    """Each stands when the command has come to it, and takes events and votes when it gets to it."""
    cluster = Cluster(clocks)
    unborn = list(range(len(clocks)))
    while True:
        steps = [("stand", number) for number in unborn]
        steps += [("take", number) for number, queue in enumerate(cluster.queues) if queue]
        steps += [("vote", number) for number, waiting in enumerate(cluster.waiting) if waiting]
        if not steps:
            break
        what, number = data.draw(st.sampled_from(steps))
        if what == "stand":
            unborn.remove(number)
            cluster.nodes[number].stand("e1", "mark", {"n": 1})
        else:
            getattr(cluster, what)(number)

    ((_, action),) = cluster.done
    assert {"n": 1} == action
    assert [1] * len(clocks) == [node.held for node in cluster.nodes]


def test_the_earliest_wins_and_of_equal_ones_the_first_by_name() -> None:
    cluster = Cluster([5, 2, 2])
    for node in cluster.nodes:
        node.stand("e1", "mark", None)
    for number in range(3):
        for _ in range(3):
            cluster.take(number)
    cluster.vote(0)
    cluster.vote(0)
    for number in range(3):
        cluster.take(number)
        cluster.take(number)

    assert [(1, None)] == cluster.done


@pytest.fixture
def node() -> Elections:
    return Cluster([0]).nodes[0]


@pytest.mark.parametrize("field", ["id", "clock", "hostname", "topic"])
def test_a_candidacy_that_lacks_something_is_counted_and_ends_nothing(node: Elections, field: str) -> None:
    event = {"id": "e", "clock": 1, "hostname": "w", "pid": 1, "topic": "mark", "action": None, "cver": 1}

    node.on_elect({**event, field: None})
    node.on_vote({"id": 5})

    assert 2 == node.malformed


def test_a_topic_that_nobody_here_knows_is_refused(node: Elections) -> None:
    with pytest.raises(ValueError, match="nothing here is done for the topic 'mrak'; topics: mark"):
        node.stand("e1", "mrak", None)


def test_an_action_that_raises_is_logged(node: Elections, caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster([0])
    cluster.nodes[0].on_won("bad", lambda action: 1 / 0)
    cluster.nodes[0].on_won("bad", lambda action: cluster.done.append((0, action)))
    cluster.nodes[0].stand("e1", "bad", "it")
    cluster.take(0)
    cluster.vote(0)

    with caplog.at_level(logging.ERROR, "kernelq.gossip"):
        cluster.take(0)

    assert "ZeroDivisionError" in caplog.text
    assert [(0, "it")] == cluster.done


def test_elections_without_an_end_are_forgotten(node: Elections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elections, "MOST", 3)
    for number in range(10):
        node.stand(f"e{number}", "mark", None)
    assert 3 == len(node._known)

    monkeypatch.setattr(elections, "FORGOTTEN", -1.0)
    node.stand("last", "mark", None)
    assert ["last"] == list(node._known)
