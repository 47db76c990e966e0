"""What becomes of an ending that cannot go on as it was meant."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.exceptions import TaskError
from kernelq.message import Message
from kernelq.outcome import Record
from kernelq_worker import records
from kernelq_worker.endings import Ending, Spoiler

REFUSED = ValueError("it is too strange")


@pytest.fixture
def app() -> Iterator[KernelQ]:
    """An app whose records are payloads of JSON."""
    with KernelQ("endings", broker="memory://", backend="memory://") as app:
        yield app


@pytest.fixture
def spoiler(app: KernelQ) -> Spoiler:
    return Spoiler(partial(records.failure, app))


def message(task_id: str) -> Message:
    return Message(task_id, {"task": "t", "id": task_id}, b"", {"reply_to": f"replies of {task_id}"}, "q")


def ending(*sent: str, state: str = "SUCCESS", ignored: bool = False, early: bool = False) -> Ending:
    """The end of the task "one", which has sent others."""
    delivery = Delivery("t1", "q", {"task": "t", "id": "one"}, b"", {"reply_to": "replies of one"})
    settlement = None if early else Settlement(delivery, Verdict.ACK)
    record = None if ignored else Record("one", state, b"{}", None, "replies of one")
    return Ending(settlement, tuple(map(message, sent)), record, 5.0)


def told(record: Record | None) -> tuple[str, str, str | None]:
    """Return whose FAILURE a record is, whether it gives the reason, and where it is sent."""
    assert record is not None
    assert b"it is too strange" in record.payload
    return record.task_id, record.state, record.reply_to


def test_what_was_never_sent_has_failed(spoiler: Spoiler) -> None:
    """And what sent it keeps its result, but its message is kept."""
    one = ending("two", "three")
    others = spoiler.unsent(one, REFUSED)

    assert [("two", "FAILURE", "replies of two"), ("three", "FAILURE", "replies of three")] == [
        told(other.record) for other in others
    ]
    assert [(None, ())] * 2 == [(other.settlement, other.messages) for other in others]
    assert one.settlement is not None
    assert (Verdict.BURY, True) == (one.settlement.verdict, "ValueError: it is too strange" in one.settlement.reason)
    assert one.record is not None
    assert ("SUCCESS", ()) == (one.record.state, one.messages)


def test_a_retry_that_was_never_sent_is_the_end_of_its_task(spoiler: Spoiler) -> None:
    one = ending("one", state="RETRY")
    assert [] == spoiler.unsent(one, REFUSED)
    assert ("one", "FAILURE") == told(one.record)[:2]


@pytest.mark.parametrize("early", [False, True])
def test_a_result_that_cannot_be_stored_becomes_a_failure_and_then_nothing(spoiler: Spoiler, early: bool) -> None:
    """Whoever asked for it takes it where the result was to go."""
    one = ending(early=early)
    spoiler.unstored(one, REFUSED)
    assert ("one", "FAILURE", "replies of one") == told(one.record)

    spoiler.unstored(one, REFUSED)
    assert one.record is None
    assert early == (one.settlement is None)


def test_an_end_that_cannot_be_settled_is_a_burial_with_a_failure_and_then_without(spoiler: Spoiler) -> None:
    one = ending()
    assert one.settlement is not None
    one.settlement.record = one.record

    first, second = spoiler.unsettled(one.settlement, REFUSED)

    assert [Verdict.BURY] * 2 == [first.verdict, second.verdict]
    assert ("one", "FAILURE") == told(first.record)[:2]
    assert second.record is None
    one.settlement.record = None
    assert [None] == [each.record for each in spoiler.unsettled(one.settlement, REFUSED)]


def test_a_failure_that_cannot_be_written_holds_up_nobody() -> None:
    """The headers themselves may be what nothing can write."""

    def failure(*_: Any, **__: Any) -> Record:
        raise TaskError("no")

    one = ending("two")
    assert [] == Spoiler(failure).unsent(one, REFUSED)
    assert one.settlement is not None
    assert Verdict.BURY is one.settlement.verdict
