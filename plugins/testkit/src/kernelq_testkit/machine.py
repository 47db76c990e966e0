"""TransportMachine: any order of sends, takes, settlements and lost owners leaves every message in one place."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kernelq.delivery import Settlement, Verdict
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message
from kernelq_testkit.model import Entry, Model, Place
from kernelq_testkit.transport_base import TransportKit
from kernelq_testkit.waiting import eventually

if TYPE_CHECKING:
    from kernelq.delivery import Delivery
    from kernelq.kernel.contracts.transport import QueueAdmin, Sender, Transport
    from kernelq_testkit.loop import SteppedLoop

FAR = 3600.0
"""Seconds until a message that is not to come while a test lasts."""
MOST_LANES = 3
MOST_DELIVERIES = 3
"""No message is lost more often: at its last a broker may bury it by itself."""


class TransportMachine(TransportKit):
    """Holds a transport to what no single test can: conservation, one live owner, order, fenced settlements.

    Subclass it with the fixture `transport_factory`. Hypothesis makes up what happens; ``KERNELQ_TEST_SCALE=full``
    makes it try much more.
    """

    runs: ClassVar[int] = 8
    """Orders of events that are tried, of `steps` events each."""
    steps: ClassVar[int] = 40

    counts_all: ClassVar[bool] = True
    """Whether `QueueAdmin.queues` tells what is delayed and what others have in flight. Where it does not, nothing is
    put off for long, and conservation is looked at in the end alone."""

    hoards: ClassVar[bool] = True
    """Whether a lane that has no credit may keep what was on its way to it, so that the next lane does not get it."""

    tells_returns: ClassVar[bool] = True
    """Whether the broker can tell what was given back from what was lost. Where it cannot, both may be counted."""

    def clean(self, transport: Transport, queue: str) -> None:
        """Delete what a run has left in `queue`."""
        admin = transport.admin()
        if self.can(transport, Can.DEAD_SET):
            admin.drop([letter.id for letter in admin.dead(queue, limit=1000)])
        if self.can(transport, Can.PURGE):
            admin.purge(queue)

    def test_any_order_of_events(self, transport: Transport, loop: SteppedLoop, queue: str) -> None:
        """Accepted = ready + in flight + delayed + dead + done, and each message has one live owner at most."""
        full = os.environ.get("KERNELQ_TEST_SCALE") == "full"
        runs = itertools.count()
        run_state_machine_as_test(
            lambda: _Machine(self, transport, loop, f"{queue}-{next(runs)}"),  # type: ignore[arg-type]  # any callable that makes one will do
            settings=settings(
                max_examples=self.runs * 20 if full else self.runs,
                stateful_step_count=self.steps * 3 if full else self.steps,
                deadline=None,
                derandomize=not full,
                database=None,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.explicit, Phase.generate, Phase.shrink] if full else [Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )


WHICH = st.integers(0, 59)
"""Stands for one of some things, however many there are; 60 has many divisors."""
Item = TypeVar("Item")


class _Machine(RuleBasedStateMachine):
    """One run, on a queue of its own.

    What is drawn never depends on what the broker did: it may hand out the same messages in another way the next time,
    and Hypothesis must not see that. So a rule with nothing to work on passes.
    """

    def __init__(self, kit: TransportMachine, transport: Transport, loop: SteppedLoop, queue: str) -> None:
        super().__init__()
        self.kit, self.transport, self.loop, self.queue = kit, transport, loop, queue
        self.model = Model(counted=kit.can(transport, Can.COUNTER), ordered=True, tells_returns=kit.tells_returns)
        self.sender: Sender = transport.sender()
        self.admin: QueueAdmin = transport.admin()
        self.lanes: dict[int, Consuming] = {}
        self.seen: dict[int, int] = {}
        self.settled: list[Delivery] = []
        self.opened = 0
        self.far = kit.counts_all and kit.can(transport, Can.DELAY)
        self.open_lane()
        self._send(4, 0)
        self._take(0, 3)

    # -- senders

    @rule(count=st.integers(1, 4), priority=st.sampled_from((0, 9)))
    def send(self, count: int, priority: int) -> None:
        self._send(count, priority)

    @rule()
    def send_for_later(self) -> None:
        if self.far:
            self._send(1, 0, Place.DELAYED)

    def _send(self, count: int, priority: int, place: Place = Place.READY) -> None:
        ids = [f"{len(self.model.entries) + number}-{uuid.uuid4().hex[:6]}" for number in range(count)]
        eta = time.time() + FAR if place is Place.DELAYED else None
        self.sender.publish_many([message(self.queue, id=one, priority=priority, eta=eta) for one in ids])
        self.model.sent(ids, priority, place)

    # -- owners

    @rule()
    def open_another_lane(self) -> None:
        if len(self.lanes) < MOST_LANES:
            self.open_lane()

    def open_lane(self) -> None:
        """Begin to consume, as one more owner."""
        self.lanes[self.opened] = Consuming(self.transport, self.loop, self.queue, patience=self.kit.patience)
        self.seen[self.opened] = 0
        self.opened += 1
        self.model.ordered = self.model.ordered and (self.opened == 1 or not self.kit.hoards)

    @rule(which=WHICH, credit=st.integers(1, 5))
    def take(self, which: int, credit: int) -> None:
        for owner in _one(sorted(self.lanes), which):
            self._take(owner, credit)

    def _take(self, owner: int, credit: int) -> None:
        consuming, sure = self.lanes[owner], len(self.lanes) == 1 or not self.kit.hoards
        expected = min(credit, len(self.model.at(Place.READY)))
        start = self.seen[owner]
        consuming.lane.want(credit)
        wait = self.kit.patience if sure else self.kit.quiet
        self.loop.run_until(lambda: len(consuming) >= start + expected, wait)
        consuming.lane.want(0)
        came = consuming.deliveries[start:]
        self.seen[owner] += len(came)
        assert len(came) <= credit, f"{len(came)} deliveries for a credit of {credit}"
        self.model.took(owner, came)
        assert not sure or len(came) == expected, f"{expected} should come to lane {owner}, {len(came)} came"

    @rule(which=WHICH, releases=st.booleans())
    def leave(self, which: int, releases: bool) -> None:
        """A lane is closed: what it has comes to others, uncounted where it was released, else as lost."""
        for owner in _one(sorted(self.lanes), which):
            flying = self.model.at(Place.FLIGHT, owner)
            self._leave(owner, [entry for entry in flying if releases or max(entry.lost()) > MOST_DELIVERIES])

    @rule(which=WHICH)
    def replace(self, which: int) -> None:
        """A lane is lost before it had begun anything, and a new one takes everything."""
        self._replace(which, begins=False)

    @rule(which=WHICH)
    def replace_amid_work(self, which: int) -> None:
        """A lane is lost with all that it had begun, and a new one takes everything."""
        self._replace(which, begins=True)

    def _replace(self, which: int, begins: bool) -> None:
        owner = self._busy(which)
        if owner is None:
            return
        for entry in self.model.at(Place.FLIGHT, owner):
            if begins and max(entry.counts) > 1:
                self._begin(entry)
        flying = self.model.at(Place.FLIGHT, owner)
        self._leave(owner, [entry for entry in flying if max(entry.lost()) > MOST_DELIVERIES])
        self.open_lane()
        self._take(self.opened - 1, len(self.model.at(Place.READY)))

    def _leave(self, owner: int, released: list[Entry]) -> None:
        consuming = self.lanes.pop(owner)
        consuming.lane.close([entry.delivery for entry in released if entry.delivery is not None])
        self.settled += [entry.delivery for entry in self.model.at(Place.FLIGHT, owner) if entry.delivery is not None]
        self.model.left(owner, released)
        if self.kit.hoards:
            self.model.hoarded()

    # -- settlements

    @rule(which=WHICH, many=WHICH)
    def acknowledge(self, which: int, many: int) -> None:
        self._settle(which, many, Verdict.ACK)

    @rule(which=WHICH, many=WHICH)
    def bury(self, which: int, many: int) -> None:
        self._settle(which, many, Verdict.BURY)

    @rule(which=WHICH, many=WHICH, counted=st.booleans())
    def requeue(self, which: int, many: int, counted: bool) -> None:
        self._settle(which, many, Verdict.REQUEUE, counted=counted)

    @rule(which=WHICH, many=WHICH, counted=st.booleans())
    def defer(self, which: int, many: int, counted: bool) -> None:
        self._settle(which, many, Verdict.DEFER, counted=counted)

    @rule(which=WHICH, many=WHICH)
    def defer_for_long(self, which: int, many: int) -> None:
        if self.far:
            self._settle(which, many, Verdict.DEFER, far=True)

    def _busy(self, which: int) -> int | None:
        """Return one of the lanes that have something in flight."""
        for entry in _one(self.model.at(Place.FLIGHT), which):
            return entry.owner
        return None

    def _settle(self, which: int, many: int, verdict: Verdict, *, counted: bool = False, far: bool = False) -> None:
        owner = self._busy(which)
        if owner is None:
            return
        flying = self.model.at(Place.FLIGHT, owner)
        chosen = flying[: many % len(flying) + 1]
        counted = counted and all(max(entry.counts) < MOST_DELIVERIES for entry in chosen)
        eta = (time.time() + (FAR if far else 0.0)) if verdict is Verdict.DEFER else None
        deliveries = [entry.delivery for entry in chosen if entry.delivery is not None]
        self.lanes[owner].settle(deliveries, verdict, eta=eta, counted=counted, reason="the machine wants it")
        self.settled += deliveries
        for entry in chosen:
            self.model.settled(entry, verdict, counted=counted, far=far)

    @rule(which=WHICH, verdict=st.sampled_from(Verdict))
    def settle_what_another_has(self, which: int, verdict: Verdict) -> None:
        """Only the owner's settlement counts."""
        for entry in _one(self.model.at(Place.FLIGHT), which):
            if len(self.lanes) == 1:
                self.open_lane()
            owner = next(one for one in self.lanes if one != entry.owner)
            assert entry.delivery is not None
            self._settle_in_vain(owner, entry.delivery, verdict)

    @rule(which=WHICH, verdict=st.sampled_from(Verdict))
    def settle_what_is_not_owned(self, which: int, verdict: Verdict) -> None:
        """A settlement of what is settled, or was lost with a lane, changes nothing."""
        for owner in _one(sorted(self.lanes), which):
            for delivery in _one(self.settled[-3:], which):
                self._settle_in_vain(owner, delivery, verdict)

    def _settle_in_vain(self, owner: int, delivery: Delivery, verdict: Verdict) -> None:
        settlement = Settlement(delivery, verdict, eta=time.time(), reason="not its own", counted=True)
        self.lanes[owner].lane.settle([settlement])
        self.loop.turn(0.01)

    @rule(which=WHICH)
    def begin(self, which: int) -> None:
        """A redelivered message starts: now the loss of its owner counts."""
        for entry in _one([one for one in self.model.at(Place.FLIGHT) if max(one.counts) > 1], which):
            self._begin(entry)

    def _begin(self, entry: Entry) -> None:
        assert entry.owner is not None
        assert entry.delivery is not None
        self.lanes[entry.owner].lane.begin([entry.delivery])
        entry.begun = True

    # -- what always holds

    @invariant()
    def nothing_comes_without_credit(self) -> None:
        for owner, consuming in self.lanes.items():
            assert len(consuming) == self.seen[owner], f"lane {owner} was handed something it had no credit for"

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if self.kit.counts_all and self.kit.can(self.transport, Can.PURGE):
            wanted = (self.model.open(), len(self.model.at(Place.DEAD)))
            self._eventually(lambda: _counts(self.admin, self.queue), wanted, "messages that are open, and dead")

    def teardown(self) -> None:
        """Close every lane, and let a last one have what there is."""
        try:
            for owner in list(self.lanes):
                flying = self.model.at(Place.FLIGHT, owner)
                self._leave(owner, [entry for entry in flying if max(entry.lost()) > MOST_DELIVERIES])
            self.open_lane()
            (last,) = self.lanes
            expected = len(self.model.at(Place.READY))
            self._take(last, expected + 3)
            self.lanes[last].settle(self.lanes[last].deliveries)
            if self.far and self.kit.can(self.transport, Can.PURGE):
                delayed = len(self.model.at(Place.DELAYED))
                self._eventually(lambda: _counts(self.admin, self.queue)[0], delayed, "what is left is delayed")
            if self.kit.can(self.transport, Can.DEAD_SET):
                wanted = {entry.id for entry in self.model.at(Place.DEAD)}
                self._eventually(lambda: _dead(self.admin, self.queue), wanted, "the dead set")
        finally:
            for consuming in self.lanes.values():
                consuming.lane.close()
            self.sender.close()
            self.kit.clean(self.transport, self.queue)

    def _eventually(self, look: Callable[[], Any], wanted: Any, what: str) -> None:
        def same() -> bool:
            self.loop.turn(0.005)
            found = look()
            assert found == wanted, f"{what}: {wanted} expected, {found} found"
            return True

        eventually(same, self.kit.patience, wanted=what)


def _one(of: Sequence[Item], which: int) -> Sequence[Item]:
    """Return the one that `which` stands for, in a list; an empty one where there is nothing to choose from."""
    return [of[which % len(of)]] if of else []


def _counts(admin: QueueAdmin, queue: str) -> tuple[int, int]:
    for info in admin.queues():
        if info.name == queue:
            return info.ready + info.in_flight + info.delayed, info.dead
    return 0, 0


def _dead(admin: QueueAdmin, queue: str) -> set[str]:
    return {letter.task_id for letter in admin.dead(queue, limit=1000)}
