"""Commands that revoke: by id, by group, by stamped header; written down for workers that are down, unless it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelq.keys import POOL, REQUESTS
from kernelq.notices import GROUP, STAMP, TASK, stamp_name


def running(node: Any, **tasks: dict[str, Any]) -> list[str]:
    """Have tasks with these headers run in the node; return the list of those that are ended."""
    ended: list[str] = []
    requests = {
        name: SimpleNamespace(id=name, cause="", job=SimpleNamespace(id=name, headers=headers))
        for name, headers in tasks.items()
    }
    node.context[REQUESTS] = SimpleNamespace(active=lambda: list(requests.values()), reserved=list, find=requests.get)

    def terminate(name: str, number: int) -> bool:
        ended.append(f"{name} {number}")
        return True

    node.context[POOL] = SimpleNamespace(terminate=terminate)
    return ended


def waiting(node: Any, **tasks: dict[str, Any]) -> list[str]:
    """Have tasks with these headers wait in the node; return the list of those that are not to begin."""
    withdrawn: list[str] = []
    requests = [
        SimpleNamespace(id=name, revoked=False, job=SimpleNamespace(id=name, headers=headers))
        for name, headers in tasks.items()
    ]
    node.context[REQUESTS] = SimpleNamespace(active=list, reserved=lambda: requests, find=lambda task_id: None)

    def withdraw(ids: list[str]) -> None:
        assert ids == [one.id for one in requests if one.revoked and one.id not in withdrawn]
        withdrawn.extend(ids)

    node.context[POOL] = SimpleNamespace(withdraw=withdraw)
    return withdrawn


def kept(node: Any, kind: str) -> list[str]:
    """Return what is written down."""
    return node.app.control.notices().names(kind)  # type: ignore[no-any-return]  # a list of names


def test_by_id(node: Any) -> None:
    assert {"ok": "tasks a, b flagged as revoked"} == node.call("revoke", {"task_id": ["a", "b"]})
    assert ["a", "b"] == kept(node, TASK)


def test_what_the_sender_has_written_down_is_not_written_again(node: Any) -> None:
    node.call("revoke", {"task_id": ["a"], "kept": True})

    assert [] == kept(node, TASK)
    assert ["a"] == node.call("revoked")


def test_by_group(node: Any) -> None:
    ended = running(node, a={"group": "g"}, b={"group": "other"}, c={"group": None})

    assert {"ok": "groups g flagged as revoked"} == node.call("revoke_group", {"group_id": "g"})
    assert ["g"] == kept(node, GROUP)
    assert [] == ended
    reply = node.call("revoke_group", {"group_id": ["g"], "terminate": True, "signal": "KILL"})
    assert {"ok": "groups g revoked, 1 running tasks ended"} == reply
    assert ["a 9"] == ended


@pytest.mark.parametrize("headers", [{"customer": ["acme"], "batch": 7}, ["customer=acme", "batch=7"]])
def test_by_stamped_header(node: Any, headers: Any) -> None:
    """As Celery's clients send it, from code and from the command line (celery/worker/control.py)."""
    stamped = {"stamped_headers": ["batch"], "stamps": {"batch": [7, 8]}}
    ended = running(node, a=stamped, b={"stamped_headers": ["batch"], "stamps": {"batch": "9"}}, c={})

    assert (
        "flagged as revoked, but not terminated" in node.call("revoke_by_stamped_headers", {"headers": headers})["ok"]
    )
    assert sorted([stamp_name("customer", "acme"), stamp_name("batch", 7)]) == kept(node, STAMP)
    assert "ok" in node.call("revoke_by_stamped_headers", {"headers": headers, "terminate": True})
    assert ["a 15"] == ended


def test_by_a_stamp_that_nothing_has(node: Any) -> None:
    running(node, a={})

    reply = node.call("revoke_by_stamped_headers", {"headers": {"x": "y"}, "terminate": True})
    assert {"ok": "headers {'x': 'y'} were not terminated"} == reply


def test_what_was_accepted_and_waits_does_not_begin(node: Any) -> None:
    stamped = {"stamped_headers": ["batch"], "stamps": {"batch": [7, 8]}}
    withdrawn = waiting(node, a={}, b={"group": "g"}, c=stamped, d={"group": "other"})

    node.call("revoke", {"task_id": ["a", "unknown"]})
    assert ["a"] == withdrawn
    node.call("revoke_group", {"group_id": "g"})
    assert ["a", "b"] == withdrawn
    node.call("revoke_by_stamped_headers", {"headers": {"batch": "7"}})
    assert ["a", "b", "c"] == withdrawn


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("revoke", {"task_id": [1]}),
        ("revoke", {"task_id": {"a": 1}}),
        ("revoke", {"task_id": None}),
        ("revoke_group", {"group_id": 5}),
        ("revoke_by_stamped_headers", {"headers": "customer"}),
        ("revoke_by_stamped_headers", {"headers": 5}),
        ("terminate", {"signal": "KILL", "task_id": [[]]}),
    ],
)
def test_what_is_no_name_is_refused(node: Any, command: str, arguments: dict[str, Any]) -> None:
    assert "error" in node.call(command, arguments)
    assert [[], [], []] == [kept(node, kind) for kind in (TASK, GROUP, STAMP)]
