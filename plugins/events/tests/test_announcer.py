"""Of all that becomes of a request, monitors are told in Celery's words."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.events.event import utcoffset
from kernelq.exceptions import WorkerLostError
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq.request import Request
from kernelq_events.announcer import Announcer
from kernelq_events.records import Failed, Rejected, Retried, Revoked, Started, Succeeded


class Told(list[Any]):
    """What was emitted."""

    def of(self) -> list[tuple[Any, ...]]:
        """Return type and own fields of each."""
        known = ("hostname", "utcoffset", "pid", "timestamp", "clock", "uuid")
        return [
            (type(one), *(getattr(one, name) for name in one.__struct_fields__ if name not in known)) for one in self
        ]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make(told):
    """A function that makes an announcer, and the app of its tasks."""
    apps: list[KernelQ] = []

    def made(**settings: Any) -> Announcer:
        app = KernelQ("t", broker="memory://", backend="disabled://", **settings)
        apps.append(app)

        @app.task(name="loud")
        def loud() -> None: ...

        @app.task(name="silent", send_events=False)
        def silent() -> None: ...

        return Announcer(app, "w1@h", 4711, told.extend)

    yield made
    for app in apps:
        app.close()


@pytest.fixture
def announcer(make) -> Announcer:
    return make()


def request(task: str = "loud", task_id: str = "t1", **headers: Any) -> Request:
    headers = {"task": task, "id": task_id, "argsrepr": "(1,)", "kwargsrepr": "{}", "retries": 0, **headers}
    delivery = Delivery("tag", "q", headers, b"", {})
    return Request(Job(1, task, task_id, headers, b"", {}, "", "", {}), delivery, 0.0)


def test_every_event_has_the_common_fields(announcer, told):
    before = time.time()
    announcer.started([request(), request(task_id="t2")])

    assert ["t1", "t2"] == [one.uuid for one in told]
    assert {("w1@h", 4711, utcoffset())} == {(one.hostname, one.pid, one.utcoffset) for one in told}
    assert [1, 2] == [one.clock for one in told]
    assert before <= told[0].timestamp <= time.time()


def test_a_request_is_received_with_what_the_headers_say(announcer, told):
    announcer.received(
        [request(root_id="r", parent_id="p", retries=2, shadow="other name", eta="2026-01-02T03:04:05+01:00")]
    )

    (one,) = told
    assert ("other name", "(1,)", "{}", "r", "p", 2, "2026-01-02T03:04:05+01:00", None) == (
        one.name, one.args, one.kwargs, one.root_id, one.parent_id, one.retries, one.eta, one.expires,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05+02:00"),
        ("2026-01-02 03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("soon", "soon"),
        (12, 12),
    ],
)
def test_times_are_told_as_celery_tells_them(make, told, sent, shown):
    """With the app's zone where they have none (celery/worker/request.py, Request.__init__)."""
    make(timezone="Africa/Johannesburg").received([request(expires=sent)])

    assert shown == told[0].expires


def test_headers_that_lack_everything_are_told_all_the_same(announcer, told):
    bare = request()
    bare.job.headers = {"task": "loud", "id": "t1"}
    announcer.received([bare])

    (one,) = told
    assert ("loud", "", "", None, None, 0) == (
        one.name, one.args, one.kwargs, one.root_id, one.parent_id, one.retries,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "events"),
    [
        (Outcome("SUCCESS", runtime=0.5, detail="3"), [(Succeeded, "3", 0.5)]),
        (Outcome("FAILURE", detail="ValueError('x')", traceback="Trace"), [(Failed, "ValueError('x')", "Trace")]),
        (
            Outcome("FAILURE", Verdict.BURY, detail="ValueError('x')", traceback="Trace"),
            [(Failed, "ValueError('x')", "Trace")],
        ),
        (
            Outcome("RETRY", reason="KeyError('y')", detail="Retry in 3s", traceback="Trace"),
            [(Retried, "KeyError('y')", "Trace")],
        ),
        (Outcome("REJECTED", Verdict.REQUEUE), [(Rejected, True)]),
        (Outcome("REJECTED", Verdict.DEFER, eta=1.0), [(Rejected, True)]),
        (Outcome("FAILURE", Verdict.REQUEUE, detail="MemoryError()"), [(Rejected, True)]),
        (Outcome("REJECTED", Verdict.BURY, detail="no"), [(Failed, "no", ""), (Rejected, False)]),
        (Outcome("IGNORED"), []),
    ],
)
def test_every_outcome_is_told(announcer, told, outcome, events):
    announcer.finished([(request(), outcome)])

    assert events == told.of()


def test_a_host_that_is_gone_is_told(announcer, told):
    announcer.lost([(request(), WorkerLostError("signal 9"))])

    assert [(Failed, "WorkerLostError('signal 9')", "")] == told.of()


def test_what_nobody_could_run_is_told(announcer, told):
    known, nameless = request().delivery, Delivery("tag", "q", {"id": 7}, b"", {})
    announcer.buried([Settlement(one, Verdict.BURY, reason="nobody knows it") for one in (known, nameless)])

    assert [(Failed, "nobody knows it", "")] == told.of()


def test_a_revoke_is_told(announcer, told):
    announcer.revoked({"id": "t1", "task": "loud"}, True, 15, False)
    announcer.revoked({"task": "loud"}, False, None, True)

    assert [(Revoked, True, 15, False)] == told.of()


def test_of_a_task_that_sends_no_events_nothing_is_told(announcer, told):
    quiet = request("silent")
    announcer.received([quiet])
    announcer.started([quiet])
    announcer.finished([(quiet, Outcome("SUCCESS"))])
    announcer.lost([(quiet, WorkerLostError("gone"))])
    announcer.revoked(quiet.job.headers, False, None, False)

    assert [] == told


def test_what_a_task_has_sent_is_told_where_senders_are_to_tell(make, told):
    announcer = make(task_send_sent_event=True)
    message = announcer._app.amqp.message("next", (1, 2))
    announcer.finished([(request(), Outcome("SUCCESS", messages=(message,))), (request(), Outcome("IGNORED"))])

    sent, succeeded = told
    assert ("task-sent", message.id, "next", "(1, 2)", "celery", "w1@h") == tuple(
        sent[name] for name in ("type", "uuid", "name", "args", "queue", "hostname")
    )
    assert isinstance(succeeded, Succeeded)


def test_started_has_no_fields_of_its_own(announcer, told):
    announcer.started([request()])

    assert [(Started,)] == told.of()
