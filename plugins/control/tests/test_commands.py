"""What the commands answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernelq.keys import POOL

FLOWER_STATS = {"total", "pid", "clock", "uptime", "pool", "broker", "prefetch_count", "rusage"}


@pytest.fixture
def tasks(node: Any) -> Any:
    """The node, with one task."""

    @node.app.task(name="t.add", rate_limit="10/m")
    def add() -> None: ...

    return node


def test_stats_have_every_field_that_flower_reads(node: Any) -> None:
    stats = node.call("stats")

    assert FLOWER_STATS <= set(stats)
    assert {"t.add": 3} == stats["total"]
    assert isinstance(stats["clock"], str)
    assert isinstance(stats["broker"], dict)


def test_passwords_are_never_told(make_node: Any) -> None:
    node = make_node(result_backend="memory://user:hushhush@host")

    for command in ("stats", "report", "conf"):
        assert "hushhush" not in json.dumps(node.call(command))


def test_registered_tasks_are_told_with_their_limits(tasks: Any) -> None:
    assert ["t.add [rate_limit=10/m]"] == [one for one in tasks.call("registered") if one.startswith("t.")]


def test_what_nobody_has_is_not_found(node: Any) -> None:
    assert {} == node.call("query_task", {"ids": ["x"]})
    assert [] == node.call("active", {"safe": True})
    assert [] == node.call("scheduled")


@pytest.mark.parametrize("ids", ["a", ["a"], ["a", "b"]])
def test_revoked_ids_are_remembered(node: Any, ids: Any) -> None:
    assert "ok" in node.call("revoke", {"task_id": ids})
    assert sorted(ids) == node.call("revoked")


@pytest.mark.parametrize("signal", ["SIGTERM", "KILL", "kill", 9, None])
def test_signals_are_understood_in_every_spelling(node: Any, signal: Any) -> None:
    """Terminate may come as the integer 1, as Flower sends it."""
    assert {"ok": "terminate: tasks unknown"} == node.call("revoke", {"task_id": "a", "terminate": 1, "signal": signal})


def test_a_signal_that_there_is_not_is_told(node: Any) -> None:
    assert "SIGTREM" in node.call("revoke", {"task_id": "a", "terminate": True, "signal": "SIGTREM"})["error"]


@pytest.mark.parametrize(
    ("limit", "told"), [("10/m", "ok"), ("0", "ok"), (5, "ok"), ("ten", "error"), ("1/d", "error")]
)
def test_rate_limits(tasks: Any, limit: Any, told: str) -> None:
    assert told in tasks.call("rate_limit", {"task_name": "t.add", "rate_limit": limit})


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"hard": 3}, "ok"),
        ({"soft": 1.5}, "ok"),
        ({}, "error"),
        ({"hard": -1}, "error"),
        ({"hard": "3"}, "error"),
    ],
)
def test_time_limits(tasks: Any, limits: Any, told: str) -> None:
    assert told in tasks.call("time_limit", {"task_name": "t.add", **limits})


@pytest.mark.parametrize("command", ["rate_limit", "time_limit"])
def test_limits_of_unknown_tasks_are_refused(node: Any, command: str) -> None:
    arguments = {"rate_limit": "1/s"} if command == "rate_limit" else {"hard": 1}

    assert {"error": "unknown task"} == node.call(command, {"task_name": "t.gone", **arguments})


def test_the_pool_is_not_reloaded_in_place(node: Any) -> None:
    assert "error" in node.call("pool_restart", {"modules": ["x"], "reload": True})


class Slots:
    """A pool that counts."""

    def __init__(self, concurrency: int, fixed: bool = False) -> None:
        self.concurrency = concurrency
        self.restarted = 0
        self._fixed = fixed

    def grow(self, n: int = 1) -> int:
        self.concurrency = max(self.concurrency + n * (not self._fixed), 1)
        return self.concurrency

    def shrink(self, n: int = 1) -> int:
        return self.grow(-n)

    def restart(self) -> None:
        self.restarted += 1

    def info(self) -> dict[str, str]:
        return {"implementation": "solo" if self._fixed else "some"}


def test_the_pool_is_changed_and_answers_as_celerys(node: Any) -> None:
    node.context[POOL] = pool = Slots(2)

    assert {"ok": "pool will grow"} == node.call("pool_grow", {"n": 3})
    assert {"ok": "pool will shrink"} == node.call("pool_shrink")
    assert {"ok": "reload started"} == node.call("pool_restart")
    assert (4, 1) == (pool.concurrency, pool.restarted)


@pytest.mark.parametrize("n", [0, -1, 1.5, "two", True, None])
@pytest.mark.parametrize("command", ["pool_grow", "pool_shrink"])
def test_what_is_no_number_of_slots_is_refused(node: Any, command: str, n: Any) -> None:
    node.context[POOL] = pool = Slots(2)

    assert f"n is a number of slots above 0, not {n!r}" == node.call(command, {"n": n})["error"]
    assert 2 == pool.concurrency


def test_a_pool_that_cannot_change_says_so(node: Any) -> None:
    node.context[POOL] = Slots(1, fixed=True)

    assert {"error": "the pool solo cannot grow"} == node.call("pool_grow")
    assert {"error": "the pool solo cannot shrink: it runs 1 at a time"} == node.call("pool_shrink")


def test_the_autoscaler_is_told_under_celerys_name(node: Any) -> None:
    node.worker.info = lambda: {"Autoscaler": {"max": 6, "min": 1, "current": 2, "qty": 0}, "Hub": {}}

    stats = node.call("stats")

    assert {"max": 6, "min": 1, "current": 2, "qty": 0} == stats["autoscaler"]
    assert "step.Autoscaler" not in stats
