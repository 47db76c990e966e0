"""What becomes of a task whose host is gone."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq import KernelQ, states
from kernelq.delivery import Delivery, Verdict
from kernelq.job import Job
from kernelq.request import Request
from kernelq_worker.hosts.loss import Loss, LossKind
from kernelq_worker.losses import Losses

LIMIT = Loss(LossKind.HARD_LIMIT, "hard time limit of 5 s exceeded", started=True)


@pytest.fixture
def app() -> KernelQ:
    return KernelQ("losses", broker="memory://", backend="memory://")


def request(task: Any, late: bool = True) -> Request:
    headers = {"task": task.name, "id": "one", "retries": 0}
    delivery = Delivery("t1", "celery", headers, b"", {})
    return Request(Job(0, task.name, "one", headers, b"", {}, "", "", {}, None, 5.0), delivery, 0.0, None, late)


def settle(app: KernelQ, lost: Request, loss: Loss = LIMIT) -> tuple[Any, Any]:
    return Losses(app, lambda request, signum, terminated: None).settle(lost, loss)


@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_revoked_task_that_has_not_begun_is_done(app: KernelQ, acknowledged: bool) -> None:
    """Nobody terminated it; its result says that it is revoked."""

    @app.task
    def unwanted() -> None: ...

    told: list[Any] = []
    one = request(unwanted)
    one.acknowledged = acknowledged

    settlement, record = Losses(app, lambda *what: told.append(what)).revoked(one)

    assert [(one, None, False)] == told
    assert "REVOKED" == record.state
    assert (None if acknowledged else Verdict.ACK) == (settlement and settlement.verdict)


def test_a_task_beyond_its_hard_limit_has_failed(app: KernelQ) -> None:
    """It is acknowledged: a task that took too long once would do so again."""

    @app.task
    def slow() -> None: ...

    settlement, record = settle(app, request(slow))

    assert Verdict.ACK is settlement.verdict
    assert states.FAILURE == record.state
    assert b"TimeLimitExceeded" in record.payload


def test_a_task_beyond_its_hard_limit_is_buried_where_it_says_so(app: KernelQ) -> None:
    """The same as beyond a soft limit: the result is the limit, and the message is kept."""

    @app.task(acks_on_timeout=False)
    def slow() -> None: ...

    settlement, record = settle(app, request(slow))

    assert (Verdict.BURY, True) == (settlement.verdict, "acks_on_timeout" in settlement.reason)
    assert b"TimeLimitExceeded" in record.payload


def test_a_task_that_was_acknowledged_before_it_ran_is_not_settled_again(app: KernelQ) -> None:
    """At most once, by choice: its failure is stored, and that is all."""

    @app.task(acks_late=False, acks_on_timeout=False)
    def slow() -> None: ...

    lost = request(slow, late=False)
    lost.acknowledged = True
    settlement, record = settle(app, lost)

    assert settlement is None
    assert states.FAILURE == record.state
