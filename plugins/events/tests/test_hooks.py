"""Revokes reach those who watch."""

from __future__ import annotations

from types import SimpleNamespace

from kernelq.delivery import Delivery
from kernelq.kernel.keys import Context
from kernelq.keys import EVENTS, WORKER
from kernelq_events import hooks

HEADERS = {"id": "t1", "task": "proj.add"}


def revoke(context, request, **how):
    how = {"terminated": False, "signum": None, "expired": False} | how
    hooks.task_revoked(SimpleNamespace(context=context), request, **how)


def test_a_delivery_that_is_not_run_and_a_request_that_is_ended_are_told(dispatching, waiting):
    dispatching[EVENTS].enable()
    revoke(dispatching, Delivery("tag", "q", HEADERS, b"", {}), expired=True)
    revoke(dispatching, SimpleNamespace(job=SimpleNamespace(headers=HEADERS)), terminated=True, signum=15)

    [(key, events)] = waiting()
    assert "task.multi" == key
    assert [("t1", False, None, True), ("t1", True, 15, False)] == [
        (one.uuid, one.terminated, one.signum, one.expired) for one in events
    ]


def test_nobody_is_told_while_task_events_are_off(dispatching, waiting):
    revoke(dispatching, Delivery("tag", "q", HEADERS, b"", {}))

    assert [] == waiting()
    assert dispatching[WORKER].hostname == "w1@h"


def test_a_worker_that_has_not_got_so_far_tells_nobody():
    revoke(Context(), Delivery("tag", "q", HEADERS, b"", {}))
