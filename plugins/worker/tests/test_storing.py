"""Results that are stored, on a store that answers, refuses, or says nothing until the test lets it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.kernel.errors import BackendUnreachable
from kernelq.outcome import Record
from kernelq_testkit.waiting import patience
from kernelq_worker.backoff import LONGEST_DELAY
from kernelq_worker.endings import Ending, Spoiler
from kernelq_worker.storing import STUCK, Storing

from .conftest import AskedLoop

PATIENCE = STUCK - 10.0


class Store:
    """A result store; it is asked by one thread at a time, or the test fails."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, str]] = []
        self.calls: list[tuple[bool, list[str]]] = []
        """Whether it was called by the loop's thread, and for which tasks."""
        self.error: BaseException | None = None
        self.silent = False
        self.asked = threading.Semaphore(0)
        """Released when a call begins that is not answered until `answers` is."""
        self.answers = threading.Semaphore(0)
        self._busy = threading.Lock()

    def store_many(self, records: Sequence[Record]) -> None:
        assert self._busy.acquire(blocking=False), "two attempts at once"
        try:
            here = threading.current_thread() is threading.main_thread()
            self.calls.append((here, [record.task_id for record in records]))
            if self.silent and not here:
                self.asked.release()
                assert self.answers.acquire(timeout=patience(30))
            if self.error is not None:
                raise self.error
            if any(record.payload == b"bad" for record in records):
                raise ValueError("no store takes this")
            self.stored += [(record.task_id, record.state) for record in records]
        finally:
            self._busy.release()


class World:
    """The stage between fakes; `now` is its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.loop, self.store = AskedLoop(), Store()
        self.settled: list[tuple[Any, Verdict]] = []
        loop: Any = self.loop
        self.storing = Storing(loop, self.store.store_many, PATIENCE, Spoiler(failed), self.settle)

    def settle(self, batch: Sequence[Settlement]) -> None:
        self.settled += [(one.delivery.tag, one.verdict) for one in batch]

    def add(self, task_id: str, state: str = "SUCCESS", payload: bytes = b"{}") -> None:
        delivery = Delivery(task_id, "q", {"id": task_id}, b"", {})
        record = Record(task_id, state, payload, None)
        self.storing.add(Ending(Settlement(delivery, Verdict.ACK), (), record, self.now))

    def add_early(self, task_id: str) -> None:
        """Add the end of a task that was acknowledged before it began."""
        self.storing.add(Ending(None, (), Record(task_id, "SUCCESS", b"{}", None), self.now))

    def flush(self) -> None:
        """Flush as a later turn does, when the pause is over."""
        self.now += LONGEST_DELAY
        self.storing.flush()

    def go_silent(self, *task_ids: str) -> None:
        """Let the store refuse these, and say nothing to the attempt after that, which is out when this returns."""
        for task_id in task_ids:
            self.add(task_id)
        self.store.error = BackendUnreachable("no answer")
        self.flush()
        self.store.silent = True
        self.flush()
        assert self.store.asked.acquire(timeout=patience(30))

    def answer(self, error: BaseException | None = None) -> None:
        """Let the attempt that is out end so, and the loop take its end."""
        self.store.error, self.store.silent = error, False
        self.store.answers.release()
        self.loop.heed()


def failed(headers: Any, error: BaseException, properties: Any = None) -> Record:
    return Record(headers["id"], "FAILURE", b"told", None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose store answers; an attempt that is out at the end is let go."""
    world = World()
    clock = SimpleNamespace(monotonic=lambda: world.now, time=lambda: 0.0)
    for module in ("storing", "backoff"):
        monkeypatch.setattr(f"kernelq_worker.{module}.time", clock)
    yield world
    world.store.answers.release()


def acked(*task_ids: str) -> list[tuple[str, Verdict]]:
    return [(task_id, Verdict.ACK) for task_id in task_ids]


def test_a_store_that_answers_is_asked_inline_and_once_for_all(world: World) -> None:
    world.add("a")
    world.add_early("early")
    world.add("b")
    assert 3 == len(world.storing)

    world.flush()

    assert [(True, ["a", "early", "b"])] == world.store.calls
    assert acked("a", "b") == world.settled
    assert 0 == len(world.storing)


def test_a_silent_store_stops_the_loop_once(world: World) -> None:
    """The attempt after the first is in another thread. Until it ends there is no other, and nothing is settled."""
    world.go_silent("a")

    world.add("b")
    for _ in range(3):
        world.flush()

    assert [(True, ["a"]), (False, ["a"])] == world.store.calls
    assert ([], 2) == (world.settled, len(world.storing))


def test_what_has_come_meanwhile_is_stored_inline_when_the_attempt_has_succeeded(world: World) -> None:
    world.go_silent("a")
    world.add("b")

    world.answer()
    assert (acked("a"), 1) == (world.settled, len(world.storing))
    world.flush()

    assert (True, ["b"]) == world.store.calls[-1]
    assert acked("a", "b") == world.settled


def test_after_a_silence_the_first_attempt_is_inline_again(world: World) -> None:
    """It may take its time, for nobody can know."""
    world.go_silent("a")
    world.answer()

    world.go_silent("b")

    assert [True, False, True, False] == [inline for inline, _ in world.store.calls]


def test_an_attempt_that_fails_is_repeated_with_all_that_waits_by_then(world: World) -> None:
    world.go_silent("a")
    world.add("b")

    world.answer(BackendUnreachable("still away"))
    world.storing.flush()
    assert 2 == len(world.store.calls), "it pauses"

    world.store.error = None
    world.flush()
    world.loop.heed()

    assert (False, ["a", "b"]) == world.store.calls[-1]
    assert acked("a", "b") == world.settled


def test_the_results_of_one_task_are_stored_in_the_order_of_its_ends(world: World) -> None:
    """The later one comes while the earlier one is out."""
    world.add("a", "RETRY")
    world.go_silent()
    world.add("a", "FAILURE")

    world.answer()
    world.flush()

    assert [("a", "RETRY"), ("a", "FAILURE")] == world.store.stored


@pytest.mark.parametrize("aside", [False, True], ids=["inline", "in the thread"])
def test_one_bad_record_is_found_and_replaced_where_it_stood(world: World, aside: bool) -> None:
    """Its place counts: what the same task has become later is stored later. What is buried is not held up either."""
    world.add("a")
    world.add("bad", "RETRY", b"bad")
    world.add("bad")
    world.add("c")
    if aside:
        world.go_silent()
        world.answer()
    while len(world.storing):
        world.flush()

    stored = [("a", "SUCCESS"), ("bad", "FAILURE"), ("bad", "SUCCESS"), ("c", "SUCCESS")]
    assert stored == world.store.stored
    assert [("a", Verdict.ACK), ("bad", Verdict.BURY), ("bad", Verdict.ACK), ("c", Verdict.ACK)] == world.settled


@pytest.mark.parametrize("aside", [False, True], ids=["inline", "in the thread"])
def test_a_record_for_which_there_is_no_other_is_buried_without(
    world: World, monkeypatch: pytest.MonkeyPatch, aside: bool
) -> None:
    monkeypatch.setattr(f"{__name__}.failed", lambda headers, error, **_: Record("x", "FAILURE", b"bad", None))
    world.storing._spoiler = Spoiler(failed)
    world.add("bad", payload=b"bad")
    world.add("b")
    if aside:
        world.go_silent()
        world.answer()
    while len(world.storing):
        world.flush()
        if world.store.calls[-1][0] is False:
            world.loop.heed()

    assert [("b", "SUCCESS")] == world.store.stored
    assert [("bad", Verdict.BURY), ("b", Verdict.ACK)] == world.settled


def test_deliveries_go_back_when_an_attempt_fails_after_their_time(world: World) -> None:
    """Not while it is out, and not those that have come later; what was acknowledged early has nowhere to go."""
    world.add_early("early")
    world.go_silent("a")
    world.now += PATIENCE
    world.add("b")
    world.storing.flush()
    assert ([], 3) == (world.settled, len(world.storing))

    world.answer(BackendUnreachable("still away"))

    assert [("a", Verdict.DEFER)] == world.settled
    assert 2 == len(world.storing)


def test_an_attempt_that_succeeds_after_that_time_settles_them_all_the_same(world: World) -> None:
    world.go_silent("a")
    world.now += PATIENCE

    world.answer()

    assert acked("a") == world.settled


def test_deliveries_that_an_attempt_without_an_end_holds_go_back_in_time(world: World) -> None:
    """So a worker that is to stop ends. What the attempt stores after all is stored; nothing is settled twice."""
    world.go_silent("a")
    world.now += STUCK
    world.add("b")
    world.flush()
    assert ([("a", Verdict.DEFER)], 1) == (world.settled, len(world.storing))

    world.answer()
    assert ([("a", "SUCCESS")], 1) == (world.store.stored, len(world.storing))
    world.flush()
    world.loop.heed()

    assert (False, ["b"]) == world.store.calls[-1]
    assert [("a", Verdict.DEFER), *acked("b")] == world.settled


def test_a_system_without_threads_is_served_by_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    world.add("a")
    world.store.error = BackendUnreachable("away")
    world.flush()

    world.store.error = None
    world.flush()

    assert [(True, ["a"])] * 2 == world.store.calls
    assert acked("a") == world.settled


def test_what_ends_a_worker_ends_it_from_the_thread_too(world: World) -> None:
    """And what it was to store still waits."""
    world.go_silent("a")

    with pytest.raises(SystemExit):
        world.answer(SystemExit(3))

    assert ([], 1) == (world.settled, len(world.storing))
