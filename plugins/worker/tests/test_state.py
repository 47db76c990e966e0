"""What a worker remembers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from kernelq_worker.state import State


class Paper:
    """Takes what is to be written down."""

    def __init__(self) -> None:
        self.kept: dict[str, float] = {}
        self.writes = 0

    def write(self, revoked: Mapping[str, float], forgotten: Iterable[str]) -> None:
        self.writes += 1
        self.kept.update(revoked)
        for task_id in forgotten:
            self.kept.pop(task_id, None)


def test_the_oldest_revokes_are_forgotten_where_there_are_too_many() -> None:
    state = State(most=3)

    state.revoke(["a", "b", "c"])
    state.revoke(["a"])
    state.revoke(["d", "e"])

    assert ["a", "d", "e"] == list(state.revoked)


def test_more_than_it_holds_at_once() -> None:
    state = State(most=3, memo=(paper := Paper()))

    state.revoke(str(number) for number in range(10))

    assert ["7", "8", "9"] == list(state.revoked) == list(paper.kept)


def test_what_is_too_old_is_forgotten_and_what_is_not_stays() -> None:
    state = State(expires=60.0, memo=(paper := Paper()))
    now = time.time()
    old = {"old": now - 61, "young": now - 30}
    paper.kept.update(old)

    state.recall(old)

    assert {"young"} == set(state.revoked) == set(paper.kept)


def test_time_makes_revokes_old() -> None:
    state = State(expires=0.0001)
    state.revoke(["a"])
    while time.time() <= state.revoked.get("a", 0) + 0.0001:
        pass

    state.expire()

    assert {} == state.revoked


def test_nothing_is_written_where_nothing_changed() -> None:
    state = State(expires=60.0, memo=(paper := Paper()))

    state.expire()
    state.revoke([])

    assert 0 == paper.writes


def test_limits_and_recompiling_count_as_changes() -> None:
    state = State()
    before = state.changes

    state.rate_limits["t"] = "1/s"
    state.time_limits["t"] = (1.0, None)
    state.recompile()

    assert before + 3 == state.changes
