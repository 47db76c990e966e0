"""Replies that name the nodes their sender knows of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelq_control.keys import GOSSIP
from kernelq_control.naming import MOST, naming


def replies(node: Any, known: list[str]) -> tuple[Any, Any]:
    """Have the node answer a ping, knowing these; return the body and the headers of its reply."""
    node.step._node.reply = naming(node.step._node, lambda: known)
    reply_to = {"exchange": "reply.celery.pidbox", "routing_key": node.wire.oid}
    node.wire.send({"method": "ping", "arguments": {}, "ticket": "tick", "reply_to": reply_to}, serializer="json")
    node.drain()
    (reply,) = node.wire.replies
    return reply  # type: ignore[no-any-return]  # body and headers


def test_they_are_celerys_with_one_header_more(node: Any) -> None:
    body, headers = replies(node, ["w1@test", "w2@test"])

    assert {"w1@test": {"ok": "pong"}} == body
    assert ("tick", ["w1@test", "w2@test"]) == (headers["ticket"], headers["nodes"])
    assert headers["clock"] > 41


@pytest.mark.parametrize("count", [0, MOST + 1], ids=["nobody known", "too many"])
def test_otherwise_nobody_is_named(node: Any, count: int) -> None:
    _, headers = replies(node, [f"w{number}@test" for number in range(count)])

    assert "nodes" not in headers


def test_where_the_broker_does_not_count_a_node_names_its_neighbours(make_node: Any, monkeypatch: Any) -> None:
    from kernelq_control import step
    from kernelq_memory.transport import MemoryTransport

    monkeypatch.setattr(MemoryTransport, "attended", lambda *_: True, raising=False)
    node = make_node()
    cluster = SimpleNamespace(members=lambda: [SimpleNamespace(hostname="w2@test")])
    assert [] == step._known(node.worker)
    node.context[GOSSIP] = cluster
    assert ["w1@test", "w2@test"] == step._known(node.worker)
    assert "naming" in node.step._node.reply.__qualname__
