"""Asking workers from code: each method sends what Celery's does (celery/app/control.py, Inspect)."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq.inspection import Inspect


class Client:
    """A control client that notes what is sent, and answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.replies: list[dict[str, Any]] = [{"a@h": 1}, {"b@h": 2}]

    def broadcast(self, command: str, arguments: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        self.sent.append((command, arguments))
        return self.replies


@pytest.mark.parametrize(
    ("method", "given", "sent"),
    [
        ("active", (), {}),
        ("active", (True,), {"safe": True}),
        ("conf", (True,), {"with_defaults": True}),
        ("hello", ("me@h", ["a"]), {"from_node": "me@h", "revoked": ["a"]}),
        ("memdump", (3,), {"samples": 3}),
        ("objgraph", ("Message", 5, 2), {"num": 5, "max_depth": 2, "type": "Message"}),
        ("query_task", ("a", "b"), {"ids": ["a", "b"]}),
        ("query_task", (["a"],), {"ids": ["a"]}),
        ("registered", ("rate_limit",), {"taskinfoitems": ["rate_limit"]}),
        ("stats", (), {}),
    ],
)
def test_what_is_sent(method: str, given: tuple[Any, ...], sent: dict[str, Any]) -> None:
    client = Client()

    assert {"a@h": 1, "b@h": 2} == getattr(Inspect(client), method)(*given)  # type: ignore[arg-type]  # all it calls
    assert [(method, sent)] == client.sent


def test_nobody_there_is_none() -> None:
    client = Client()
    client.replies = []

    assert Inspect(client).ping() is None  # type: ignore[arg-type]  # all that it calls


def test_one_destination_is_a_list() -> None:
    with pytest.raises(TypeError, match="destination is a list of node names"):
        Inspect(Client(), "a@h")  # type: ignore[arg-type]  # the mistake
