"""A worker that starts greets its neighbours: ids and clock go both ways, and not without bound."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq_control.commands.mingling import MOST
from kernelq_testkit import eventually

NODE = "w1@test"


def test_it_answers_with_ids_and_clock(node: Any) -> None:
    node.call("revoke", {"task_id": ["a", "b"]})
    node.app.clock.adjust(500)

    reply = node.call("hello", {"from_node": "other@test"})

    assert ["a", "b"] == reply["revoked"]
    assert 500 < reply["clock"] <= node.app.clock.value


@pytest.mark.parametrize("revoked", [["x", "y"], {"x": 1.5, "y": [1.5, "y"]}])
def test_it_takes_the_ids_of_the_other(node: Any, revoked: Any) -> None:
    """As a list, since Celery 5.7, or as a mapping with times that mean nothing elsewhere."""
    assert {"x", "y"} == set(node.call("hello", {"from_node": "other@test", "revoked": revoked})["revoked"])
    assert ["x", "y"] == node.call("revoked")


@pytest.mark.parametrize("revoked", [None, 5, "text", [1, None, {}]])
def test_what_is_no_list_of_ids_is_passed_over(node: Any, revoked: Any) -> None:
    assert [] == node.call("hello", {"from_node": "other@test", "revoked": revoked})["revoked"]


def test_its_own_greeting_has_no_answer(node: Any) -> None:
    assert node.call("hello", {"from_node": NODE, "revoked": ["x"]}) is None
    assert [] == node.call("revoked")


def test_many_revokes_do_not_grow_the_reply(node: Any) -> None:
    """The newest go out, the oldest of them first; the rest is in the store."""
    node.call("revoke", {"task_id": [f"{number:06}" for number in range(10 * MOST)]})

    told = node.call("hello", {"from_node": "other@test"})["revoked"]

    assert [f"{number:06}" for number in range(9 * MOST, 10 * MOST)] == told
    eventually(lambda: 10 * MOST == len(node.app.control.notices().names("task", 20 * MOST)))
