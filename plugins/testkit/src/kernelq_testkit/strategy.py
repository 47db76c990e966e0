"""StrategyConformance: what becomes of deliveries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.request import Request
from kernelq_testkit.messages import message

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.kernel.contracts.strategy import Strategy

NAME = "kit.task"


class FakeHost:
    """A `kernelq.handles.StrategyHost`; `rejections` is what it was told."""

    hostname = "kit@host"

    def __init__(self, app: KernelQ) -> None:
        self.app = app
        self.revoked_ids: set[str] = set()
        self.limit: tuple[float | None, float | None] = (None, None)
        self.rate: str | None = None
        self.rejections: list[tuple[str, str]] = []

    def revoked(self, task_id: str) -> bool:
        """Tell whether the test has revoked `task_id`."""
        return task_id in self.revoked_ids

    def limits(self, task: str) -> tuple[float | None, float | None]:
        """Return the limits that the test has set."""
        return self.limit

    def rate_limit(self, task: str) -> str | None:
        """Return the rate limit that the test has set."""
        return self.rate

    def rejected(self, delivery: Delivery, state: str, detail: str) -> None:
        """Note a decision."""
        self.rejections.append((state, detail))


class StrategyConformance:
    """Holds a strategy to `kernelq.kernel.contracts.strategy.Strategy` and to the promises on expiry, ETA and revokes.

    Subclass it with a fixture `strategy`.
    """

    longest = 200e-6
    """Seconds that one decision may take on average; it is made in the supervisor's loop."""

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Return the strategy. Override it."""
        raise NotImplementedError("give your subclass a fixture named strategy")

    @pytest.fixture
    def host(self, kernelq_app: KernelQ) -> FakeHost:
        """The worker, as a strategy sees it; its app has the task ``kit.task``."""
        kernelq_app.task(name=NAME)(_task)
        return FakeHost(kernelq_app)

    def decide(self, strategy: Strategy, host: FakeHost, delivery: Delivery, known: bool = True) -> Any:
        """Return the decision on one delivery."""
        return strategy(host.app.tasks[NAME] if known else None, host)(delivery)

    def test_known_task_is_requested(self, strategy: Strategy, host: FakeHost) -> None:
        """The request's job carries the delivery to a host, undecoded."""
        sent = delivery({})
        request = self.decide(strategy, host, sent)
        assert isinstance(request, Request)
        assert request.delivery is sent
        assert (request.job.task, request.job.task_id) == (NAME, sent.headers["id"])
        assert (request.job.body, request.job.content_type) == (sent.body, "application/json")
        assert {"exchange", "routing_key"} <= set(request.job.delivery_info)
        assert not request.job.alone
        assert host.rejections == []

    def test_redelivered_runs_alone(self, strategy: Strategy, host: FakeHost) -> None:
        """What had another owner before gets no neighbour."""
        sent = delivery({})
        sent.deliveries = 2
        assert self.decide(strategy, host, sent).job.alone

    def test_limits_travel_with_the_job(self, strategy: Strategy, host: FakeHost) -> None:
        """A header says [hard, soft], a command sets (soft, hard)."""
        request = self.decide(strategy, host, delivery({"timelimit": [20, 10]}))
        assert (request.job.soft, request.job.hard) == (10, 20)
        host.limit = (1.0, 2.0)
        request = self.decide(strategy, host, delivery({}))
        assert (request.job.soft, request.job.hard) == (1.0, 2.0)

    def test_unknown_task_is_neither_lost_nor_looped(self, strategy: Strategy, host: FakeHost) -> None:
        """It comes again later, each time later than before, or ends in the dead set; it is never acknowledged."""
        handler = strategy(None, host)
        decision = handler(delivery({"task": "kit.unheard-of"}))
        assert isinstance(decision, Settlement)
        assert decision.verdict in (Verdict.DEFER, Verdict.BURY)
        if decision.verdict is Verdict.DEFER:
            assert decision.eta is not None
            assert decision.eta > time.time() + 0.1
        else:
            assert decision.reason

    def test_revoked_is_dropped(self, strategy: Strategy, host: FakeHost) -> None:
        """A revoked id runs nothing, and the host is told."""
        sent = delivery({})
        host.revoked_ids.add(sent.headers["id"])
        decision = self.decide(strategy, host, sent)
        assert (decision.verdict, decision.delivery) == (Verdict.ACK, sent)
        assert [state for state, _ in host.rejections] == ["REVOKED"]

    def test_expired_is_dropped(self, strategy: Strategy, host: FakeHost) -> None:
        """What expired runs nothing; what expires later does."""
        decision = self.decide(strategy, host, delivery({"expires": moment(-5)}))
        assert decision.verdict is Verdict.ACK
        assert len(host.rejections) == 1
        request = self.decide(strategy, host, delivery({"expires": moment(60)}))
        assert isinstance(request, Request)
        assert request.expires == pytest.approx(time.time() + 60, abs=5)

    def test_eta_waits_in_the_broker(self, strategy: Strategy, host: FakeHost) -> None:
        """An ETA in the future defers to that time; one in the past runs."""
        decision = self.decide(strategy, host, delivery({"eta": moment(30)}))
        assert decision.verdict is Verdict.DEFER
        assert decision.eta == pytest.approx(time.time() + 30, abs=5)
        assert isinstance(self.decide(strategy, host, delivery({"eta": moment(-30)})), Request)

    @pytest.mark.parametrize(
        "headers",
        [
            {"eta": "no time"},
            {"expires": {"no": "time"}},
            {"timelimit": "no limits"},
            {"timelimit": [None]},
            {"id": None},
            {"id": 7},
            {"eta": 1e300},
        ],
        ids=repr,
    )
    def test_malformed_headers_are_met(self, strategy: Strategy, host: FakeHost, headers: Mapping[str, Any]) -> None:
        """No header makes the handler raise: it decides, and what it buries has a reason."""
        decision = self.decide(strategy, host, delivery(headers))
        assert isinstance(decision, Request | Settlement)
        if isinstance(decision, Settlement) and decision.verdict is Verdict.BURY:
            assert decision.reason

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1", b"null", b'{"task": 1}'], ids=repr)
    def test_nameless_garbage_is_buried(self, strategy: Strategy, host: FakeHost, body: bytes) -> None:
        """A message without a task, whatever its body is, is buried with a reason."""
        sent = delivery({})
        sent.headers, sent.body = {}, body
        decision = self.decide(strategy, host, sent, known=False)
        assert decision.verdict is Verdict.BURY
        assert decision.reason

    def test_decisions_are_quick(self, strategy: Strategy, host: FakeHost) -> None:
        """A thousand decisions take no longer than `longest` each, in the best of ten rounds."""
        handler = strategy(host.app.tasks[NAME], host)
        sent = [delivery({}) for _ in range(1000)]
        rounds = []
        for number in range(0, 1000, 100):
            start = time.perf_counter()
            for each in sent[number : number + 100]:
                handler(each)
            rounds.append((time.perf_counter() - start) / 100)
        assert min(rounds) < self.longest


def delivery(headers: Mapping[str, Any]) -> Delivery:
    """Return a delivery of the task ``kit.task`` with `headers` set."""
    sent = message("kit", NAME, headers=dict(headers))
    return Delivery(object(), "kit", sent.headers, sent.body, sent.properties)


def moment(seconds: float) -> str:
    """Return the time `seconds` from now as Celery writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def _task() -> None:
    pass
