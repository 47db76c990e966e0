"""From endings to settlements, on a broker and a store that are real: a file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.kernel.errors import BackendUnreachable, BrokerLost, BrokerUnreachable, ConfigurationError
from kernelq.message import Message
from kernelq.outcome import Record
from kernelq_testkit.waiting import patience
from kernelq_worker import records
from kernelq_worker.loop import WorkerLoop
from kernelq_worker.settling import Settler

UNSTORABLE = "\ud800"
"""A lone surrogate: no file and no socket takes such an id."""


class Away:
    """Stands before a method, and does not reach its server from call number `at` on, until it is let."""

    def __init__(self, function: Callable[[Any], None], error: Exception, at: int) -> None:
        self.function, self.error, self.left = function, error, at

    def __call__(self, batch: Sequence[Any]) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.error
        self.function(batch)


class Scene:
    """A settler between a lane, a sender and a store; the store is the broker's file (`together`), or another one."""

    def __init__(self, folder: Path, together: bool) -> None:
        self.app = KernelQ(
            "settling", broker=f"sqlite:///{folder}/broker.db",
            backend=f"sqlite:///{folder}/{'broker' if together else 'store'}.db",
        )  # fmt: skip
        self.admin = self.app.transport.admin()
        self.sender = self.app.transport.sender()
        self.lane = self.app.transport.lane()
        self.store: Any = self.app.backend
        self.loop = WorkerLoop()
        self.deliveries: list[Delivery] = []
        self.lane.open(self.loop, ["q"], self.deliveries.extend)

    def settler(self) -> Settler:
        settler = Settler(self.loop, self.sender, self.store, 60.0, partial(records.failure, self.app))
        settler.attach(self.lane)
        return settler

    def deliver(self, *names: str) -> list[Delivery]:
        """Send tasks, and return their deliveries in the same order."""
        self.sender.publish_many([message(name) for name in names])
        self.lane.want(len(names))
        self.loop.run(lambda: len(self.deliveries) == len(names))
        return self.deliveries

    def finish(self, settler: Settler) -> None:
        """Turn the loop until nothing waits; the pauses have it turn."""
        self.loop.on_turn(settler.flush)
        self.loop.run(lambda: not settler.waiting)

    def dead(self) -> dict[str, str]:
        return {letter.task_id: letter.reason for letter in self.admin.dead()}

    def left(self) -> tuple[int, int]:
        """Return how many messages are ready and in flight."""
        (queue,) = (one for one in self.admin.queues() if one.name == "q")
        return queue.ready, queue.in_flight

    def result(self, task_id: str) -> tuple[str, str]:
        """Return state and error of a result."""
        result = self.app.AsyncResult(task_id)
        return result.state, str(result.result)

    def close(self) -> None:
        self.lane.close(())
        self.loop.close()
        self.sender.close()
        self.app.close()


@pytest.fixture(params=[True, False], ids=["one file", "two files"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """Results that are stored with the settlement, and before it."""
    scene = Scene(tmp_path, request.param)
    yield scene
    scene.close()


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Scene]:
    """Results that are stored before the settlement."""
    scene = Scene(tmp_path, together=False)
    yield scene
    scene.close()


def message(task_id: str, **headers: Any) -> Message:
    return Message(task_id, {"task": "t", "id": task_id, **headers}, b"[]", {"correlation_id": task_id}, "q")


def unsendable(task_id: str) -> Message:
    return message(task_id, strange=object())


def record(task_id: str, state: str = "SUCCESS") -> Record:
    return Record(task_id, state, f'{{"status": "{state}", "result": 1}}'.encode(), None)


def ack(delivery: Delivery) -> Settlement:
    return Settlement(delivery, Verdict.ACK)


def test_everything_is_settled_with_its_result(scene: Scene) -> None:
    settler = scene.settler()
    for delivery in scene.deliver("a", "b"):
        settler.add(ack(delivery), (), record(delivery.headers["id"]))

    settler.flush()

    assert 0 == settler.waiting
    assert (0, 0) == scene.left()
    assert [("SUCCESS", "1")] * 2 == [scene.result(name) for name in "ab"]


def test_a_result_that_cannot_be_stored_is_a_failure_and_the_others_are_stored(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    settler = scene.settler()
    ids = {"a": "a", "bad": UNSTORABLE, "c": "c"}
    for delivery in scene.deliver("a", "bad", "c"):
        settler.add(ack(delivery), (), record(ids[delivery.headers["id"]]))

    with caplog.at_level(logging.ERROR, "kernelq.worker"):
        settler.flush()

    assert (0, (0, 0)) == (settler.waiting, scene.left())
    assert ["SUCCESS", "FAILURE", "SUCCESS"] == [scene.result(name)[0] for name in ("a", "bad", "c")]
    assert "UnicodeEncodeError" in scene.result("bad")[1]
    assert ["bad"] == list(scene.dead())
    assert "UnicodeEncodeError" in scene.dead()["bad"]
    assert any("task bad" in one.getMessage() and one.exc_info for one in caplog.records)


def test_a_task_whose_result_cannot_be_stored_at_all_is_buried_without(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither it nor the FAILURE in its place: the id itself is what cannot be stored."""
    settler = scene.settler()
    first, second = scene.deliver("a", "bad")
    strange = Delivery(second.tag, "q", {"task": "t", "id": UNSTORABLE}, b"", {})
    settler.add(ack(first), (), record("a"))
    settler.add(ack(strange), (), record(UNSTORABLE))

    with caplog.at_level(logging.ERROR, "kernelq.worker"):
        settler.flush()

    assert "\\ud800" in caplog.text.encode().decode(), "no log file takes a lone surrogate"
    assert (0, (0, 0)) == (settler.waiting, scene.left())
    assert "SUCCESS" == scene.result("a")[0]
    assert ["bad"] == list(scene.dead())


def test_a_result_without_a_delivery_that_cannot_be_stored_keeps_nobody_waiting(scene: Scene) -> None:
    """Its task was acknowledged before it ran."""
    settler = scene.settler()
    (delivery,) = scene.deliver("b")
    settler.add(None, (), record(UNSTORABLE))
    settler.add(ack(delivery), (), record("b"))

    settler.flush()

    assert 0 == settler.waiting
    assert "SUCCESS" == scene.result("b")[0]


def test_a_message_that_cannot_be_sent_buries_its_task_and_the_others_are_sent(scene: Scene) -> None:
    settler = scene.settler()
    for delivery, follows in zip(
        scene.deliver("a", "bad", "c"), (message("next a"), unsendable("next bad"), message("next c")), strict=True
    ):
        settler.add(ack(delivery), (follows,), record(delivery.headers["id"]))

    settler.flush()
    settler.flush()

    assert (0, (2, 0)) == (settler.waiting, scene.left())
    assert ["bad"] == list(scene.dead())
    assert "cannot be published" in scene.dead()["bad"]
    assert ["SUCCESS"] * 3 == [scene.result(name)[0] for name in ("a", "bad", "c")]
    state, error = scene.result("next bad")
    assert ("FAILURE", True) == (state, "cannot be published" in error), "who waits for the end of the chain is told"


def test_what_the_broker_took_of_a_batch_that_failed_is_not_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender tells which; also of several messages of one task."""

    class Refused(Exception):
        taken = ("next a", "next bad", "next c")

    whole = scene.sender.publish_many

    def publish_many(messages: Sequence[Message]) -> None:
        whole([one for one in messages if one.id != "refused"])
        if len(messages) > 1 or messages[0].id == "refused":
            raise Refused("no such place")

    settler = scene.settler()
    follows = [[message("next a")], [message("next bad"), message("refused")], [message("next c")]]
    for delivery, several in zip(scene.deliver("a", "bad", "c"), follows, strict=True):
        settler.add(ack(delivery), tuple(several), record(delivery.headers["id"]))
    monkeypatch.setattr(settler, "_publish_many", publish_many)

    settler.flush()
    settler.flush()

    assert (0, (3, 0)) == (settler.waiting, scene.left())
    assert ["bad"] == list(scene.dead())
    assert "FAILURE" == scene.result("refused")[0]
    assert ["PENDING"] * 3 == [scene.result(f"next {name}")[0] for name in ("a", "bad", "c")]


def test_a_retry_that_cannot_be_sent_is_a_failure(scene: Scene) -> None:
    """Its result would be RETRY for ever."""
    settler = scene.settler()
    (delivery,) = scene.deliver("again")
    settler.add(ack(delivery), (unsendable("again"),), record("again", "RETRY"))

    settler.flush()
    settler.flush()

    assert (0, (0, 0)) == (settler.waiting, scene.left())
    assert ["again"] == list(scene.dead())
    assert "FAILURE" == scene.result("again")[0]


def test_what_a_task_sent_that_was_acknowledged_early_blocks_nobody(scene: Scene) -> None:
    settler = scene.settler()
    (delivery,) = scene.deliver("b")
    settler.add(None, (unsendable("lost"),))
    settler.add(ack(delivery), (message("next"),))

    settler.flush()

    assert ((1, 0), {}) == (scene.left(), scene.dead())
    settler.flush()
    assert (0, "FAILURE") == (settler.waiting, scene.result("lost")[0])


def test_a_store_that_goes_away_while_each_is_tried_keeps_the_rest_in_order(
    apart: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch fails, `a` is stored alone, `bad` is not; then nobody answers, and later everything goes on."""
    away = Away(apart.store.store_many, BackendUnreachable("away"), at=3)
    monkeypatch.setattr(apart.store, "store_many", away)
    settler = apart.settler()
    ids = {"a": "a", "bad": UNSTORABLE, "c": "c", "d": "d"}
    for delivery in apart.deliver(*ids):
        settler.add(ack(delivery), (), record(ids[delivery.headers["id"]]))

    settler.flush()
    assert (3, (0, 3)) == (settler.waiting, apart.left()), "a is settled"

    away.left = 1000
    settler.flush()
    assert 3 == settler.waiting, "it is not asked again at once"
    apart.finish(settler)
    assert (0, 0) == apart.left()
    assert ["SUCCESS", "FAILURE", "SUCCESS", "SUCCESS"] == [apart.result(name)[0] for name in ids]
    assert ["bad"] == list(apart.dead())


def test_a_broker_that_goes_away_while_each_is_sent_keeps_the_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(scene.sender.publish_many, BrokerUnreachable("away"), at=3)
    follows = [message("next a"), unsendable("next bad"), message("next c")]
    deliveries = scene.deliver("a", "bad", "c")
    monkeypatch.setattr(scene.sender, "publish_many", away)
    settler = scene.settler()
    for delivery, one in zip(deliveries, follows, strict=True):
        settler.add(ack(delivery), (one,))

    settler.flush()
    assert ((1, 1), ["bad"]) == (scene.left(), list(scene.dead()))

    away.left = 1000
    scene.finish(settler)
    assert (2, 0) == scene.left()


def test_a_lane_that_is_lost_while_each_is_settled_keeps_the_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is forgotten: what was not settled waits for the next lane."""
    settler = Settler(scene.loop, scene.sender, None, 60.0, partial(records.failure, scene.app))
    calls: list[int] = []
    settle = scene.lane.settle

    def failing(batch: Sequence[Settlement]) -> None:
        calls.append(len(batch))
        if len(batch) > 1:
            raise ValueError("a bad batch")
        if len(calls) > 2:
            raise BrokerLost("gone")
        settle(batch)

    deliveries = scene.deliver("a", "b", "c")
    monkeypatch.setattr(scene.lane, "settle", failing)
    settler.attach(scene.lane)
    for delivery in deliveries:
        settler.add(ack(delivery))

    with pytest.raises(BrokerLost):
        settler.flush()

    assert [3, 1, 1] == calls
    assert ["b", "c"] == [one.delivery.headers["id"] for one in settler.detach()]


def test_what_its_lane_cannot_even_bury_holds_up_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in flight still, so it comes again when this worker ends."""
    settle = scene.lane.settle

    def failing(batch: Sequence[Settlement]) -> None:
        if any(one.delivery.headers["id"] == "bad" for one in batch):
            raise ValueError("a defect")
        settle(batch)

    deliveries = scene.deliver("a", "bad", "c")
    monkeypatch.setattr(scene.lane, "settle", failing)
    settler = scene.settler()
    for delivery in deliveries:
        settler.add(ack(delivery))

    with caplog.at_level(logging.ERROR, "kernelq.worker"):
        settler.flush()

    assert (0, (0, 1)) == (settler.waiting, scene.left())
    assert "cannot be settled" in caplog.text


def test_what_has_no_result_does_not_wait_for_a_silent_store(apart: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends of tasks and what they have sent go on while a thread waits for the store's answer."""
    asked, answers = threading.Event(), threading.Event()
    store_many = apart.store.store_many

    def silent(batch: Sequence[Record]) -> None:
        if threading.current_thread() is threading.main_thread():
            raise BackendUnreachable("no answer")
        apart.loop.call_soon(asked.set)
        answers.wait(patience(30))
        store_many(batch)

    monkeypatch.setattr(apart.store, "store_many", silent)
    settler = apart.settler()
    first, second, third = apart.deliver("a", "b", "c")
    settler.add(ack(first), (), record("a"))
    apart.loop.on_turn(settler.flush)
    apart.loop.run(asked.is_set)

    settler.add(ack(second))
    settler.add(ack(third), (message("next c"),))
    settler.flush()
    assert (1, (1, 1)) == (settler.waiting, apart.left())
    assert "PENDING" == apart.result("a")[0]

    answers.set()
    monkeypatch.setattr(apart.store, "store_many", store_many)
    apart.loop.run(lambda: not settler.waiting)
    assert ("SUCCESS", (1, 0)) == (apart.result("a")[0], apart.left())


def test_a_store_that_is_set_up_wrongly_is_like_one_that_is_away(apart: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task is buried for what is no fault of its own."""
    monkeypatch.setattr(apart.store, "store_many", Away(apart.store.store_many, ConfigurationError("read-only"), 0))
    settler = apart.settler()
    for delivery in apart.deliver("a", "b"):
        settler.add(ack(delivery), (), record(delivery.headers["id"]))

    settler.flush()

    assert (2, (0, 2), {}) == (settler.waiting, apart.left(), apart.dead())
