"""The command `election`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelq.kernel.keys import Context
from kernelq_gossip.command import election
from kernelq_gossip.keys import GOSSIP


def context() -> tuple[Context, list[Any]]:
    held: list[Any] = []

    def hold(id: str, topic: str, action: Any) -> None:
        if topic != "task":
            raise ValueError("nothing here is done for the topic")
        held.append((id, topic, action))

    return Context({GOSSIP: SimpleNamespace(election=hold)}), held


def test_it_is_held() -> None:
    ctx, held = context()

    assert {"ok": "election e1 is held"} == election(ctx, id="e1", topic="task", action={"task": "t.add"})
    assert [("e1", "task", {"task": "t.add"})] == held


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"id": 5, "topic": "task"}, "usage: election ID TOPIC"),
        ({"id": "e1", "topic": None}, "usage: election ID TOPIC"),
        ({"id": "e1", "topic": "tsak"}, "nothing here is done"),
    ],
)
def test_what_does_not_fit_is_told(arguments: dict[str, Any], told: str) -> None:
    ctx, held = context()

    assert told in election(ctx, **arguments)["error"]
    assert [] == held


def test_a_worker_without_gossip_says_so() -> None:
    assert "--without-gossip" in election(Context({}), id="e1", topic="task")["error"]
