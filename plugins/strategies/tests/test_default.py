"""The strategy `default`."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.request import Request
from kernelq_strategies.default import default


class Host:
    """A strategy's host that remembers what it was told."""

    hostname = "w@test"

    def __init__(self, **task: Any) -> None:
        values = {"name": "t.add", "acks_late": True, **task}
        self.task = SimpleNamespace(**values)
        conf = SimpleNamespace(task_unknown_ttl=10.0, accept_content=("json",))
        self.app = SimpleNamespace(conf=conf, timezone=UTC, tasks={"t.add": self.task})
        self.revoked_ids: set[str] = set()
        self.told: list[tuple[str, str]] = []
        self.rate: str | None = None

    def revoked(self, task_id: str) -> bool:
        return task_id in self.revoked_ids

    def limits(self, task: str) -> tuple[float | None, float | None]:
        return 1.0, 2.0

    def rate_limit(self, task: str) -> str | None:
        return self.rate

    def rejected(self, delivery: Delivery, state: str, detail: str) -> None:
        self.told.append((state, detail))


def delivery(body: bytes = b"[[], {}, {}]", deliveries: int = 1, **headers: Any) -> Delivery:
    named = {"task": "t.add", "id": "one", **headers}
    kept = {name: value for name, value in named.items() if value is not ...}
    return Delivery("tag", "celery", kept, body, {}, deliveries=deliveries)


def decide(host: Host, message: Delivery) -> Any:
    return default(host.task if "task" in message.headers else None, host)(message)


def test_a_plain_message_becomes_a_request() -> None:
    """What is due and known runs, with the task's own limits."""
    request = decide(Host(), delivery())

    assert isinstance(request, Request)
    assert ("one", "t.add") == (request.id, request.task)
    assert (1.0, 2.0) == (request.job.soft, request.job.hard)
    assert {"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": False} == request.job.delivery_info
    assert not request.job.alone


@pytest.mark.parametrize("value", [None, 5, [], {"a": 1}, "", "x" * 256, "a\nb", "\x1b[2J"])
def test_an_id_that_is_none_is_buried(value: Any) -> None:
    """It would go into keys, into logs and onto terminals."""
    host = Host()
    decision = decide(host, delivery(id=value))

    assert Verdict.BURY is decision.verdict
    assert "printable characters" in decision.reason
    assert ["REJECTED"] == [state for state, _ in host.told]


@pytest.mark.parametrize("name", ["eta", "expires"])
@pytest.mark.parametrize("value", [1e300, -1e300, 2.6e11, float("nan"), float("inf")])
def test_a_time_beyond_the_calendar_is_buried(name: str, value: float) -> None:
    """It would be put off for ever, out of sight."""
    decision = decide(Host(), delivery(**{name: value}))

    assert Verdict.BURY is decision.verdict
    assert "no time" in decision.reason


@pytest.mark.parametrize("wrong", [True, -1, "5", [1], float("inf"), 1e300, None])
def test_a_limit_that_is_none_is_passed_over(wrong: Any) -> None:
    """The task's own hold: a host must be able to read what it is sent, and a timer to count it."""
    request = decide(Host(), delivery(timelimit=[wrong, wrong]))

    assert (1.0, 2.0) == (request.job.soft, request.job.hard)


def test_limits_of_the_message_win_and_stand_hard_first() -> None:
    """The header is [hard, soft], as the code of Celery sends it."""
    request = decide(Host(), delivery(timelimit=[30, 20]))

    assert (20, 30) == (request.job.soft, request.job.hard)


def test_what_was_delivered_before_runs_alone() -> None:
    request = decide(Host(), delivery(deliveries=2))

    assert request.job.alone
    assert request.job.delivery_info["redelivered"]


def test_a_revoked_task_is_dropped() -> None:
    host = Host()
    host.revoked_ids.add("one")

    settlement = decide(host, delivery())

    assert Verdict.ACK is settlement.verdict
    assert [("REVOKED", "revoked")] == host.told


@pytest.mark.parametrize("offset", [UTC, None])
def test_an_expired_task_is_dropped(offset: Any) -> None:
    """A time without an offset is of the app's time zone, here UTC."""
    host = Host()
    past = (datetime.now(UTC) - timedelta(seconds=1)).replace(tzinfo=offset).isoformat()

    settlement = decide(host, delivery(expires=past))

    assert Verdict.ACK is settlement.verdict
    assert [("REVOKED", "expired")] == host.told


@pytest.mark.parametrize("ahead", [5.0, 3600.0])
def test_an_early_task_waits_in_the_broker(ahead: float) -> None:
    due = time.time() + ahead

    settlement = decide(Host(), delivery(eta=datetime.fromtimestamp(due, UTC).isoformat()))

    assert Verdict.DEFER is settlement.verdict
    assert due == pytest.approx(settlement.eta, abs=0.001)


def test_a_task_that_is_due_runs() -> None:
    request = decide(Host(), delivery(eta="2020-01-01T00:00:00+00:00", expires="2999-01-01T00:00:00+00:00"))

    assert isinstance(request, Request)
    assert datetime(2999, 1, 1, tzinfo=UTC).timestamp() == request.expires


@pytest.mark.parametrize(
    "headers", [{"id": ...}, {"id": ""}, {"id": 7}, {"eta": "soon"}, {"expires": ["x"]}, {"expires": "yesterday"}]
)
def test_what_cannot_be_read_is_buried_with_the_reason(headers: dict[str, Any]) -> None:
    host = Host()

    settlement = decide(host, delivery(**headers))

    assert Verdict.BURY is settlement.verdict
    assert settlement.reason
    assert "REJECTED" == host.told[0][0]


def test_a_rate_limit_spaces_the_starts() -> None:
    """One starts, the others get turns of their own, and each runs at its turn."""
    host = Host()
    host.rate = "10/s"
    handle = default(host.task, host)

    decisions = [handle(delivery(id=name)) for name in "abc"]

    assert isinstance(decisions[0], Request)
    turns = [one.eta for one in decisions[1:] if isinstance(one, Settlement)]
    assert 0.1 == pytest.approx(turns[1] - turns[0])


def test_a_protocol_1_message_is_run() -> None:
    """Its name is in the body; the executor gets protocol 2."""
    body = json.dumps({"task": "t.add", "id": "old", "args": [1], "kwargs": {"b": 2}, "retries": 1}).encode()

    request = decide(Host(), delivery(body, task=..., id=...))

    assert ("old", "t.add") == (request.id, request.task)
    assert [[1], {"b": 2}] == json.loads(request.job.body)[:2]
    assert 1 == request.job.headers["retries"]
    assert "tag" == request.delivery.tag


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[1, 2", b'"text"', b'{"no": "task"}', b"", b"[" * 100_000])
def test_garbage_is_buried(body: bytes) -> None:
    host = Host()

    settlement = decide(host, delivery(body, task=..., id=...))

    assert Verdict.BURY is settlement.verdict


def test_an_unknown_task_is_put_off_longer_each_time_then_buried() -> None:
    host = Host()
    handle = default(None, host)

    delays = [handle(delivery(task="t.gone")).eta - time.time() for _ in range(3)]
    host.app.conf.task_unknown_ttl = 0.0
    last = default(None, host)(delivery(task="t.gone"))

    assert [1, 2, 4] == [round(delay) for delay in delays]
    assert isinstance(last, Settlement)
    assert Verdict.BURY is last.verdict
    assert "FAILURE" == host.told[-1][0]
