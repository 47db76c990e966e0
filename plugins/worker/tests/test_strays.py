"""How tasks ended whose delivery could not be settled."""

from __future__ import annotations

import pytest

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.outcome import Record
from kernelq_worker import strays
from kernelq_worker.strays import Strays


def delivery(tag: str, deliveries: int = 1, retries: int = 0) -> Delivery:
    return Delivery(tag, "q", {"id": "one", "retries": retries}, b"", {}, deliveries=deliveries)


def ended(settlement: Settlement) -> Strays:
    """Strays that know one job, which has ended so."""
    known = Strays()
    known.lost_lane([1])
    known.ended(1, settlement)
    return known


def test_the_next_delivery_is_settled_as_the_lost_one_was_to_be() -> None:
    """Once: a third delivery would be another matter."""
    record = Record("one", "SUCCESS", b"{}", None)
    known = ended(Settlement(delivery("t1"), Verdict.ACK, reason="why", record=record))

    answer = known.answer(delivery("t2", 2))

    assert answer is not None
    assert ("t2", Verdict.ACK, "why", record) == (answer.delivery.tag, answer.verdict, answer.reason, answer.record)
    assert known.answer(delivery("t3", 3)) is None


def test_a_retry_is_another_matter() -> None:
    assert ended(Settlement(delivery("t1"), Verdict.ACK)).answer(delivery("t2", retries=1)) is None


def test_a_job_that_did_not_run_while_the_lane_was_lost_is_not_remembered() -> None:
    known = Strays()
    known.lost_lane([2])
    known.ended(1, Settlement(delivery("t1"), Verdict.ACK))
    assert known.answer(delivery("t2")) is None
    assert known


@pytest.mark.parametrize(("came", "counted"), [(2, True), (3, False)])
def test_one_death_is_counted_once(came: int, counted: bool) -> None:
    """A host that died while the lane was lost counts, unless the broker counts this delivery already."""
    known = ended(Settlement(delivery("t1", 2), Verdict.REQUEUE, counted=True))
    answer = known.answer(delivery("t2", came))
    assert answer is not None
    assert (Verdict.REQUEUE, counted) == (answer.verdict, answer.counted)


def test_what_was_to_come_again_is_not_remembered() -> None:
    """Its next delivery is what was wanted, and need not go round once more."""
    assert ended(Settlement(delivery("t1"), Verdict.REQUEUE)).answer(delivery("t2", 2)) is None


def test_nothing_is_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strays, "REMEMBERED", -1.0)
    assert ended(Settlement(delivery("t1"), Verdict.ACK)).answer(delivery("t2")) is None
