"""Revokes and paused queues of the whole cluster, as one worker sees them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.delivery import Delivery
from kernelq.kernel.errors import BackendUnreachable, BrokerUnreachable
from kernelq.notices import GROUP, QUEUE, STAMP, TASK, stamp_name
from kernelq_control.notes import FRESH, Notes, StoreLost
from kernelq_testkit.waiting import patience
from kernelq_worker.queues import Queues
from kernelq_worker.state import State


class Asked:
    """A store that counts the questions, and fails where it is told to."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.asked: list[str] = []
        self.failure: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.asked.append(name)
            if self.failure is not None:
                raise self.failure
            return getattr(self.store, name)(*arguments)

        return call


@pytest.fixture
def app() -> Iterator[KernelQ]:
    with KernelQ("notes", broker="memory://", backend="memory://") as app:
        yield app


@pytest.fixture
def store(app: KernelQ, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the broker keeps."""
    store = Asked(app.control.notices())
    monkeypatch.setattr(app.control, "notices", lambda: store)
    return store


@pytest.fixture
def notes(app: KernelQ, store: Asked) -> Notes:
    """What a worker that consumes two queues sees of it."""
    return Notes(app, State(), Queues({"a": {}, "b": {}}))


def delivery(task_id: str, **headers: Any) -> Delivery:
    return Delivery(1, "a", {"task": "t.add", "id": task_id, **headers}, b"", {})


def revoked(notes: Notes) -> set[str]:
    return set(notes._state.revoked)


def test_where_there_are_no_notices_nothing_is_asked_for_a_task(notes: Notes, store: Asked) -> None:
    for _ in range(3):
        notes([delivery("x"), delivery("y")])

    assert ["kinds"] == store.asked, "once a second"


def test_ids_are_asked_for_in_one_go(notes: Notes, store: Asked) -> None:
    store.store.put(TASK, ["x", "z"], 600)

    notes([delivery("x"), delivery("y"), delivery("z")])

    assert ["kinds", "find"] == store.asked
    assert {"x", "z"} == revoked(notes)
    assert 2 == notes.found


def test_what_is_known_already_is_not_asked_for(notes: Notes, store: Asked) -> None:
    notes.put(TASK, ["other"])
    notes._state.revoke(["x"])

    notes([delivery("x")])

    assert "find" not in store.asked


def test_groups(notes: Notes, store: Asked) -> None:
    store.store.put(GROUP, ["g1"], 600)

    notes([delivery("x", group="g1"), delivery("y", group="g2"), delivery("z", group=None), delivery("w", group=7)])

    assert {"x"} == revoked(notes)


def test_stamps_of_one_value_or_several(notes: Notes, store: Asked) -> None:
    """Only the headers that are named as stamped count (celery/worker/request.py)."""
    store.store.put(STAMP, [stamp_name("customer", "acme"), stamp_name("batch", 7)], 600)

    notes([
        delivery("one", stamped_headers=["customer"], stamps={"customer": "acme"}),
        delivery("several", stamped_headers=["batch"], stamps={"batch": [6, 7]}),
        delivery("other", stamped_headers=["customer"], stamps={"customer": "else"}),
        delivery("unnamed", stamped_headers=["x"], stamps={"customer": "acme"}),
        delivery("malformed", stamped_headers=5, stamps="customer"),
        delivery("plain", stamped_headers=None, stamps={}),
    ])  # fmt: skip

    assert {"one", "several"} == revoked(notes)


def test_a_message_without_an_id_is_for_the_strategy(notes: Notes, store: Asked) -> None:
    for kind in (TASK, GROUP, STAMP):
        store.store.put(kind, ["x"], 600)

    notes([Delivery(1, "a", {"id": ["x"], "group": "x"}, b"", {}), Delivery(1, "a", {}, b"", {})])

    assert set() == revoked(notes)


def test_a_broker_that_cannot_be_asked_is_lost(notes: Notes, store: Asked) -> None:
    """A revoked task does not run: it comes again with the next connection."""
    store.failure = BrokerUnreachable("it is away")

    with pytest.raises(StoreLost, match="it is away"):
        notes([delivery("x")])

    store.failure = None
    store.store.put(TASK, ["x"], 600)
    notes([delivery("x")])
    assert {"x"} == revoked(notes)


def test_a_result_store_that_cannot_be_asked_is_passed_over(
    notes: Notes, store: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning, and not asked again for each batch."""
    store.failure = BackendUnreachable("it is away")

    for _ in range(3):
        notes.stale()
        notes([delivery("x")])

    assert ["kinds"] == store.asked
    assert 1 == len([one for one in caplog.records if "it is away" in one.getMessage()])


def test_a_silent_result_store_is_waited_for_once_and_then_by_a_thread(
    notes: Notes, store: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it answers that one, nobody asks it anything; tasks go on. Then it is asked as before."""
    store.failure = BackendUnreachable("no answer")
    notes([delivery("x")])
    asked, answers = threading.Semaphore(0), threading.Event()

    def kinds() -> frozenset[str]:
        assert threading.current_thread() is not threading.main_thread()
        asked.release()
        assert answers.wait(patience(30))
        return frozenset()

    with monkeypatch.context() as patch:
        patch.setattr(store, "kinds", kinds, raising=False)
        notes._not_before = float("-inf")  # the pause is over
        for _ in range(3):
            notes.stale()
            notes([delivery("x")])
        assert asked.acquire(timeout=patience(30))
        answers.set()
        assert notes._looking is not None
        notes._looking.join()
    assert not asked.acquire(blocking=False), "one thread at a time"
    assert ["kinds"] == store.asked

    store.failure = None
    store.store.put(TASK, ["x"], 600)
    notes([delivery("x")])
    assert {"x"} == revoked(notes)


def test_paused_queues_are_consumed_no_longer_and_again(notes: Notes, store: Asked) -> None:
    told: list[tuple[str, str]] = []
    lane: Any = SimpleNamespace(
        add_queue=lambda name: told.append(("add", name)), cancel_queue=lambda name: told.append(("cancel", name))
    )
    queues = notes._queues
    assert isinstance(queues, Queues)
    queues.attach(lane)

    store.store.put(QUEUE, ["b", "elsewhere"])
    notes.look()
    notes.look()
    assert [("cancel", "b")] == told
    assert ["b", "elsewhere"] == list(notes.paused)

    store.store.remove(QUEUE, ["b"])
    notes.look()
    assert [("cancel", "b"), ("add", "b")] == told


def test_without_any_store_the_worker_remembers_by_itself(app: KernelQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.control, "notices", lambda: None)
    notes = Notes(app, State(), Queues({"a": {}}))
    notes.put(GROUP, ["g1"])

    notes([delivery("x", group="g1")])

    assert not notes.kept
    assert {"x"} == revoked(notes)


def test_a_look_is_believed_for_a_second() -> None:
    assert 1.0 == FRESH, "paused queues are obeyed within a second or two"
