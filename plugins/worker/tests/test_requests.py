"""The ledger and the settler: from a delivery to its settlement."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.job import Job
from kernelq.kernel.errors import BackendUnreachable, BrokerLost, BrokerUnreachable
from kernelq.message import Message
from kernelq.outcome import Outcome, Record
from kernelq.request import Request
from kernelq_worker.hosts.loss import Loss, LossKind
from kernelq_worker.requests import Ledger
from kernelq_worker.settling import Settler

from .conftest import AskedLoop


class Lane:
    def __init__(self, commits: bool = False) -> None:
        self.settled: list[Settlement] = []
        self.begun: list[Any] = []
        self.lost = False
        self._commits = commits

    def commits(self, backend: Any) -> bool:
        return self._commits

    def begin(self, batch: list[Delivery]) -> None:
        if self.lost:
            raise BrokerLost("gone")
        self.begun += [delivery.tag for delivery in batch]

    def settle(self, batch: list[Settlement]) -> None:
        if self.lost:
            raise BrokerLost("gone")
        self.settled += batch


class Pool:
    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.free = 10
        self.looks = 0
        self.withdrawn: list[int] = []

    def submit(self, jobs: list[Job]) -> None:
        self.looks += not jobs
        self.jobs += jobs
        self.free -= len(jobs)

    def withdraw(self, job_ids: list[int]) -> None:
        self.withdrawn += job_ids


class Sender:
    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.away = False

    def publish_many(self, messages: list[Message]) -> None:
        if self.away:
            raise BrokerUnreachable("away")
        self.sent += messages


class Backend:
    def __init__(self) -> None:
        self.stored: list[Record] = []
        self.away = False

    def store_many(self, records: list[Record]) -> None:
        if self.away:
            raise BackendUnreachable("away")
        self.stored += records


class World:
    """A ledger with everything around it made of fakes; `now` is the settler's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, commits: bool = False) -> None:
        self.lane, self.pool, self.sender, self.backend = Lane(commits), Pool(), Sender(), Backend()
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now, time=lambda: 0.0)
        for module in ("settling", "storing", "backoff"):
            monkeypatch.setattr(f"kernelq_worker.{module}.time", clock)
        self.loop: Any = AskedLoop()
        settler = Settler(self.loop, self.sender, self.backend, patience=60.0, failure=lambda *_, **__: None)
        self.ledger = Ledger(settler, losses=Losses())
        self.ledger.pool = self.pool
        self.ledger.attach(self.lane)

    def run(self, request: Request, outcome: Outcome) -> None:
        self.ledger.finished([(request.job.id, outcome)])
        self.ledger.flush()

    def try_again(self) -> None:
        """Flush, and wait for what a thread stores then; its end is taken by the next flush, as in a turn."""
        self.ledger.flush()
        self.loop.heed()
        self.ledger.flush()

    def verdicts(self) -> list[tuple[Any, Verdict]]:
        return [(one.delivery.tag, one.verdict) for one in self.lane.settled]


class Losses:
    most = 3

    def settle(self, request: Request, loss: Any) -> Any:
        return Settlement(request.delivery, Verdict.REQUEUE, counted=True), None

    def revoked(self, request: Request) -> Any:
        settlement = None if request.acknowledged else Settlement(request.delivery, Verdict.ACK)
        return settlement, Record(request.id, "REVOKED", b"{}", None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def request(tag: str = "t1", task_id: str = "one", late: bool = True, retries: int = 0, deliveries: int = 1) -> Request:
    headers = {"task": "t.add", "id": task_id, "retries": retries}
    delivery = Delivery(tag, "celery", headers, b"", {}, deliveries=deliveries)
    return Request(Job(0, "t.add", task_id, headers, b"", {}, "", "", {}), delivery, 0.0, None, late)


RECORD = Record("one", "SUCCESS", b"{}", None)
MESSAGE = Message("next", {}, b"", {}, "celery")


def test_a_task_is_settled_after_what_it_sent_and_after_its_result(world: World) -> None:
    one = request()
    world.ledger.accept([one])
    world.sender.away = world.backend.away = True

    world.run(one, Outcome("SUCCESS", record=RECORD, messages=(MESSAGE,)))
    assert ([], [], []) == (world.sender.sent, world.backend.stored, world.lane.settled)

    world.sender.away, world.now = False, world.now + 5
    world.ledger.flush()
    assert ([MESSAGE], [], []) == (world.sender.sent, world.backend.stored, world.lane.settled)

    world.backend.away, world.now = False, world.now + 5
    world.try_again()
    assert [MESSAGE] == world.sender.sent, "sent once"
    assert [RECORD] == world.backend.stored
    assert [("t1", Verdict.ACK)] == world.verdicts()


def test_every_delivery_is_counted_once_whatever_comes_of_it(world: World) -> None:
    """What is accepted, what is here already, and what no request is made of."""
    one = request()
    world.ledger.accept([one, request("t2"), request("t3", "two")])
    world.ledger.end(Settlement(request("t4", "three").delivery, Verdict.BURY))

    assert (4, 8) == (world.ledger.taken, world.ledger.credit)


def test_a_store_that_stays_away_gives_the_delivery_back(world: World) -> None:
    one = request()
    world.ledger.accept([one])
    world.backend.away = True
    world.run(one, Outcome("SUCCESS", record=RECORD))

    world.now += 61
    world.try_again()

    assert [("t1", Verdict.DEFER)] == world.verdicts()
    assert not world.ledger.busy


def test_a_lane_that_commits_results_gets_them_with_the_settlement(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, commits=True)
    one = request()
    world.ledger.accept([one])

    world.run(one, Outcome("SUCCESS", record=RECORD))

    assert [] == world.backend.stored
    assert RECORD is world.lane.settled[0].record


def test_a_second_delivery_of_a_running_task_is_held_and_ends_with_it(world: World) -> None:
    one, again = request("t1"), request("t2")
    world.ledger.accept([one])

    world.ledger.accept([again])
    assert 1 == len(world.pool.jobs)

    world.run(one, Outcome("SUCCESS"))
    assert {("t1", Verdict.ACK), ("t2", Verdict.ACK)} == set(world.verdicts())


def test_a_lost_task_with_a_second_delivery_goes_back_once(world: World) -> None:
    world.ledger.accept([one := request("t1")])
    world.ledger.accept([request("t2")])

    world.ledger.lost([(one.job.id, Loss(LossKind.CRASH, "killed", started=True))])
    world.ledger.flush()

    assert {("t1", Verdict.ACK), ("t2", Verdict.REQUEUE)} == set(world.verdicts())


def test_a_retry_is_no_second_delivery(world: World) -> None:
    world.ledger.accept([request("t1")])
    world.ledger.accept([request("t2", retries=1)])

    assert 2 == len(world.pool.jobs)


def test_early_acknowledgement_comes_before_the_start(world: World) -> None:
    one = request(late=False)
    world.ledger.accept([one])
    assert [] == world.pool.jobs
    assert 9 == world.ledger.credit

    world.ledger.flush()
    assert [("t1", Verdict.ACK)] == world.verdicts()
    assert [one.job] == world.pool.jobs

    world.run(one, Outcome("SUCCESS", record=RECORD))
    assert [RECORD] == world.backend.stored
    assert 1 == len(world.lane.settled), "settled once"


class EarlyLane(Lane):
    """Tells of acknowledgements when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[list[Delivery], Any]] = []

    def acknowledge(self, batch: list[Delivery], on_answer: Any) -> None:
        if self.lost:
            raise BrokerLost("gone")
        self.asked.append((batch, on_answer))

    def answer(self, ours: bool) -> None:
        batch, on_answer = self.asked.pop(0)
        on_answer(batch, ours)


@pytest.fixture
def early(world: World) -> EarlyLane:
    """A lane that tells of acknowledgements, in place of the world's."""
    lane = EarlyLane()
    world.ledger.attach(lane)
    return lane


def test_early_begins_only_when_the_acknowledgement_counted(world: World, early: EarlyLane) -> None:
    one = request(late=False)
    world.ledger.accept([one])
    world.ledger.flush()
    assert [] == world.pool.jobs
    assert 9 == world.ledger.credit

    early.answer(True)
    assert [one.job] == world.pool.jobs
    assert one.acknowledged
    assert [] == early.settled


def test_early_does_not_begin_where_it_is_someone_elses(world: World, early: EarlyLane) -> None:
    """It is forgotten; what has come of it a second time goes back."""
    one = request("t1", late=False)
    world.ledger.accept([one])
    world.ledger.flush()
    world.ledger.accept([request("t2", late=False)])

    early.answer(False)
    world.ledger.flush()
    assert [] == world.pool.jobs
    assert [("t2", Verdict.REQUEUE)] == [(settled.delivery.tag, settled.verdict) for settled in early.settled]
    assert not world.ledger.busy


def test_early_is_asked_for_again_where_the_broker_was_lost(world: World, early: EarlyLane) -> None:
    one = request(late=False)
    world.ledger.accept([one])
    early.lost = True
    with pytest.raises(BrokerLost):
        world.ledger.flush()
    assert [] == world.pool.jobs
    early.lost = False
    world.ledger.flush()
    early.answer(True)
    assert [one.job] == world.pool.jobs


def test_early_that_is_told_of_after_the_end_is_sent_anew(world: World, early: EarlyLane) -> None:
    """Since it is nowhere else, and is not given back either."""
    world.ledger.accept([request(late=False)])
    world.ledger.flush()
    world.ledger.detach()
    assert [] == world.ledger.release()
    early.answer(True)
    world.ledger.flush()
    assert [("one", "celery")] == [(sent.id, sent.queue) for sent in world.sender.sent]
    assert [] == world.pool.jobs


def test_an_outcome_that_met_a_lost_lane_settles_the_next_delivery(world: World) -> None:
    """The message comes again by the new lane; its task has run, so it is settled and not run."""
    one = request("t1")
    world.ledger.accept([one])
    world.lane.lost = True
    with pytest.raises(BrokerLost):
        world.run(one, Outcome("SUCCESS", record=None))
    world.ledger.detach()

    world.lane = Lane()
    world.ledger.attach(world.lane)
    world.ledger.accept([request("t9")])
    world.ledger.flush()

    assert 1 == len(world.pool.jobs)
    assert ("t9", Verdict.ACK) in world.verdicts()


def test_a_task_that_ran_through_a_lost_lane_is_not_run_again(world: World) -> None:
    one = request("t1")
    world.ledger.accept([one])
    world.ledger.detach()
    world.lane = Lane()
    world.ledger.attach(world.lane)

    world.run(one, Outcome("SUCCESS"))
    world.ledger.accept([request("t9")])
    world.ledger.flush()

    assert 1 == len(world.pool.jobs)
    assert ("t9", Verdict.ACK) in world.verdicts()


def test_what_never_started_goes_back_in_order_and_uncounted(world: World) -> None:
    requests = [request(f"t{n}", f"id{n}") for n in range(3)]
    world.ledger.accept(requests)

    world.ledger.returned([one.job for one in requests])
    world.ledger.flush()

    assert ["t2", "t1", "t0"] == [tag for tag, _ in world.verdicts()], "each becomes the next to be taken"
    assert not any(one.counted for one in world.lane.settled)


def test_what_was_acknowledged_early_and_never_started_is_sent_anew(world: World) -> None:
    """A shutdown loses nothing that has not begun."""
    one = request(late=False)
    world.ledger.accept([one])
    world.ledger.flush()

    world.ledger.returned([one.job])
    world.ledger.flush()

    assert [("one", "celery")] == [(sent.id, sent.queue) for sent in world.sender.sent]
    assert not world.ledger.busy


@pytest.mark.parametrize("late", [True, False])
def test_what_is_revoked_and_comes_back_ends_so_and_goes_to_nobody(world: World, late: bool) -> None:
    """Its result says so; a second delivery of it ends with it."""
    one, other = request(late=late), request("t2", task_id="two")
    world.ledger.accept([one, other])
    world.ledger.accept([request("again")] if late else [])
    world.ledger.flush()
    one.revoked = True

    world.ledger.returned([one.job, other.job])
    world.ledger.flush()

    acknowledged = {("t1", Verdict.ACK), ("again", Verdict.ACK)} if late else {("t1", Verdict.ACK)}
    assert {*acknowledged, ("t2", Verdict.REQUEUE)} == set(world.verdicts())
    assert ["REVOKED"] == [one.state for one in world.backend.stored]
    assert [] == world.sender.sent
    assert not world.ledger.busy


def test_what_has_not_begun_is_left_to_others_when_the_lease_is_lost(world: World) -> None:
    """What runs goes on, and so does what was acknowledged early: no other worker has that."""
    running, waiting, early = request("t1", "id1"), request("t2", "id2"), request("t3", "id3", late=False)
    world.ledger.accept([running, waiting, early])
    world.ledger.flush()
    world.ledger.started([(running.job.id, 1)])

    world.ledger.fenced()
    world.ledger.flush()
    world.ledger.flush()

    assert [waiting.job.id] == world.pool.withdrawn
    world.ledger.returned([waiting.job])
    assert {running, early} == {*world.ledger.active(), *world.ledger.reserved()}


def test_what_has_not_begun_is_left_to_others_at_once_when_they_have_it_with_the_lane(world: World) -> None:
    """No turn of the loop is waited for: until there is a lane, none flushes."""
    running, waiting = request("t1", "id1"), request("t2", "id2")
    world.ledger.accept([running, waiting])
    world.ledger.started([(running.job.id, 1)])

    world.ledger.detach()
    world.ledger.fenced()

    assert [waiting.job.id] == world.pool.withdrawn
    world.ledger.returned([waiting.job])
    world.ledger.attach(Lane())
    world.ledger.accept([again := request("t3", "id2", deliveries=2)])
    world.ledger.flush()
    assert again.job in world.pool.jobs, "it runs here after all where it comes again"
    assert [waiting.job.id] == world.pool.withdrawn


def test_a_redelivered_task_begins_on_its_lane(world: World) -> None:
    world.ledger.accept([one := request(deliveries=2)])
    assert [] == world.lane.begun, "it waits in the pool"

    assert world.ledger.beginning(one.job.id)

    assert ["t1"] == world.lane.begun


def test_no_redelivered_task_begins_while_there_is_no_lane(world: World) -> None:
    """It stays accepted, and the pool looks at it again once there is a lane: not before the loop's turn."""
    world.ledger.accept([one := request(deliveries=2)])
    world.ledger.flush()
    world.ledger.detach()
    looks = world.pool.looks
    assert not world.ledger.beginning(one.job.id)

    world.ledger.attach(Lane())
    assert looks == world.pool.looks
    world.ledger.flush()
    world.ledger.flush()

    assert looks + 1 == world.pool.looks
    assert world.ledger.beginning(one.job.id)
    assert [one] == world.ledger.reserved()


def test_a_lane_that_is_lost_when_a_task_begins_loses_no_task(world: World) -> None:
    """The loss goes up to the consumer; the task waits, and begins by the deliveries that it has by then."""
    world.ledger.accept([one := request(deliveries=2)])
    world.lane.lost = True
    with pytest.raises(BrokerLost):
        world.ledger.beginning(one.job.id)
    world.ledger.detach()

    world.lane = Lane()
    world.ledger.attach(world.lane)
    world.ledger.accept([request("t9", deliveries=3)])

    assert world.ledger.beginning(one.job.id)
    assert ["t1", "t9"] == world.lane.begun
    assert 1 == len(world.pool.jobs)


def test_what_is_acknowledged_begins_without_a_lane(world: World) -> None:
    """Its message is gone from the broker, so there is nothing to count."""
    world.ledger.accept([one := request(late=False, deliveries=2)])
    world.ledger.flush()
    world.ledger.detach()

    assert world.ledger.beginning(one.job.id)
    assert [] == world.lane.begun


def test_a_second_delivery_of_a_task_that_runs_does_not_begin(world: World) -> None:
    """Else a task of a week would be buried by the third connection that is lost, while it runs."""
    world.ledger.accept([one := request("t1")])
    world.ledger.started([(one.job.id, 1)])

    world.ledger.accept([request("t2", deliveries=2)])

    assert [] == world.lane.begun


def test_a_task_in_its_last_delivery_begins_without_company(world: World) -> None:
    """Nor beside what has ended and is not settled: that would be counted too. Then the pool looks again at once."""
    second, last, other = (request(f"t{n}", f"id{n}", deliveries=d) for n, d in enumerate((2, 3, 2)))
    world.ledger.accept([second, last, other])
    assert world.ledger.beginning(second.job.id)
    assert not world.ledger.beginning(last.job.id)

    world.ledger.finished([(second.job.id, Outcome("SUCCESS"))])
    assert not world.ledger.beginning(last.job.id)
    looks = world.pool.looks
    world.ledger.flush()
    assert looks + 1 == world.pool.looks
    assert world.ledger.beginning(last.job.id)
    assert not world.ledger.beginning(other.job.id)

    world.ledger.lost([(last.job.id, Loss(LossKind.CRASH, "killed", started=True))])
    world.ledger.flush()
    assert world.ledger.beginning(other.job.id)


def test_the_pool_looks_again_when_the_company_has_run_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of a week does not keep others waiting for a week."""
    now = 1000.0
    monkeypatch.setattr("kernelq_worker.quarantine.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("kernelq_worker.requests.time", SimpleNamespace(monotonic=lambda: now, time=lambda: now))
    first, last = request("t1", "id1", deliveries=2), request("t2", "id2", deliveries=3)
    world.ledger.accept([first, last])
    world.ledger.flush()
    assert world.ledger.beginning(first.job.id)
    assert not world.ledger.beginning(last.job.id)
    looks = world.pool.looks
    world.ledger.flush()
    assert looks == world.pool.looks

    now += 21
    world.ledger.flush()
    world.ledger.flush()

    assert looks + 1 == world.pool.looks
    assert world.ledger.beginning(last.job.id)


class Told:
    """A watcher that notes what it is told."""

    def __init__(self) -> None:
        self.of: list[tuple[str, list[Any]]] = []

    def __getattr__(self, what: str) -> Any:
        return lambda batch: self.of.append((what, list(batch)))


@pytest.fixture
def told(world: World) -> Told:
    watcher = Told()
    world.ledger.watch(watcher)
    return watcher


def test_watchers_are_told_how_tasks_go_on(world: World, told: Told) -> None:
    one, outcome = request("a"), Outcome("SUCCESS")
    world.ledger.accept([one])
    world.ledger.started([(one.job.id, 7)])
    world.run(one, outcome)

    assert [("received", [one]), ("started", [one]), ("finished", [(one, outcome)])] == told.of


def test_a_second_delivery_is_no_news(world: World, told: Told) -> None:
    world.ledger.accept([request("a")])
    world.ledger.accept([request("b")])

    assert ["received"] == [what for what, _ in told.of]


def test_watchers_are_told_of_losses_that_are_final(world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    one, again = request("a", "one"), request("b", "two")
    world.ledger.accept([one, again])
    world.ledger.lost([(again.job.id, Loss(LossKind.CRASH, "signal 9"))])
    ends = Settlement(one.delivery, Verdict.BURY), None
    monkeypatch.setattr(world.ledger._losses, "settle", lambda *_: ends, raising=False)
    world.ledger.lost([(one.job.id, Loss(LossKind.CRASH, "signal 9"))])

    [(lost, error)] = told.of[-1][1]
    assert ("lost", one, "WorkerLostError('signal 9')") == (told.of[-1][0], lost, repr(error))
    assert 2 == len(told.of), "of the one that goes back nothing is told"


def test_a_revoke_is_told_by_its_hook_alone(world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    one = request("a")
    world.ledger.accept([one])
    ends = Settlement(one.delivery, Verdict.ACK), Record("a", "REVOKED", b"", None)
    monkeypatch.setattr(world.ledger._losses, "settle", lambda *_: ends, raising=False)
    world.ledger.lost([(one.job.id, Loss(LossKind.TERMINATED, "revoked", signum=15))])

    assert ["received"] == [what for what, _ in told.of]


def test_watchers_are_told_what_was_buried_unrun(world: World, told: Told) -> None:
    buried = Settlement(request("a").delivery, Verdict.BURY, reason="nobody knows it")
    world.ledger.end(buried)
    world.ledger.end(Settlement(request("b").delivery, Verdict.DEFER, eta=1.0))

    assert [("buried", [buried])] == told.of


def test_a_watcher_that_raises_stops_nothing(world: World, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    world.ledger.unwatch(told)
    world.ledger.watch(None)  # it has no methods at all
    world.ledger.watch(told)
    world.ledger.accept([request("a")])

    assert (1, ["received"]) == (len(world.pool.jobs), [what for what, _ in told.of])
    assert "the watcher None raised at received" in caplog.text
