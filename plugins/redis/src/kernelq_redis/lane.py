"""The lane: tasks from Redis in batches, under one lease."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.kernel.errors import BrokerLost, Unreachable
from kernelq_redis.bindings import bind
from kernelq_redis.claims import Claim
from kernelq_redis.depth import Depth
from kernelq_redis.ends import Ends, OnAnswer
from kernelq_redis.envelope import fingerprint
from kernelq_redis.idle import Idle
from kernelq_redis.keys import STEPS, entry_end
from kernelq_redis.leaving import Farewell
from kernelq_redis.opening import Opening
from kernelq_redis.scripts import ADOPT, BEGIN, CLAIM, JOIN, Argument, call, call_whole
from kernelq_redis.settling import commands
from kernelq_redis.wire import pack

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.kernel.settings import Settings
    from kernelq_redis.link import Link
    from kernelq_redis.results import Layout
    from kernelq_redis.terms import Term, Terms
    from kernelq_redis.waiter import Waiter

log = logging.getLogger(__name__)

MOST = 256
"""Messages in one claim: a few hundred microseconds, for which the server serves nobody else."""
BYTES = 8 * 1024 * 1024
"""About how many bytes one claim brings at most, judged by the last."""
DUE_AT_ONCE = 200
"""Delayed messages of a queue that one claim makes ready."""


class RedisLane:
    """Deliveries from Redis against credit. See the contract `Lane`.

    `want` writes at once what a turn of the loop has gathered: settlements, and the next claim. It never waits.
    """

    def __init__(self, terms: Terms, settings: Settings | None) -> None:
        self._terms = terms
        self._settings = settings
        self._keys = terms.keys
        self._layout: Layout | None = None
        self._loop: Loop | None = None
        self._pid = 0
        self._queues: list[str] = []
        self._claim_keys: list[str] = []
        self._credit = 0
        self._claiming = False
        self._flushing = False
        self._depth = Depth(terms.keys)
        self._size = 0.0
        self._fenced = 0
        self._ends = Ends(terms, self._become_new)
        self._timer: Timer | None = None
        self.on_fenced: Callable[[], None] = lambda: None
        """Called when deliveries belong to others, since the lease has ended; see `kernelq.handles.LeasedLane`."""

    # -- the contract -------------------------------------------------------------------------------------------------

    def open(self, loop: Loop, queues: Sequence[str], on_deliveries: Callable[[list[Delivery]], None]) -> None:
        """Connect, take a lease, and consume `queues`. Raises `BrokerLost`, or ConfigurationError for the server's."""
        opening = Opening(self._terms, self._settings)
        names = list(dict.fromkeys(queues))
        with ExitStack() as undo:
            undo.callback(self._ends.close)
            wire = opening.wire()
            undo.callback(wire.close)
            undo.callback(self._park)
            self._term: Term = self._terms.take(self)
            self._depth.figure = opening.begin(wire, self._term, names)
            self._link: Link = opening.link(wire, loop)
            undo.callback(self._link.abort)
            self._idle = Idle(opening, loop, self._landed, self._waited)
            undo.callback(self._idle.close)
            for queue in names:
                self._idle.add(queue)
            self._loop, self._pid, self._on_deliveries = loop, os.getpid(), on_deliveries
            self._queues = names
            self._changed()
            self._ends.open(self._link)
            self._ends.again(self._terms.inherit(self))
            self._terms.keep()
            self._tick()
            undo.pop_all()

    def want(self, n: int) -> None:
        """Set the credit, and write what there is to write."""
        self._credit = n
        if self._loop is not None:
            self._go_on()

    def begin(self, batch: Sequence[Delivery]) -> None:
        """Note that redelivered messages start; it is with the kernel when this returns."""
        for delivery in batch:
            term = self._terms.flights.get(delivery.tag)
            if term is not None and term.lane is self:
                keys = [self._keys.alive(delivery.queue), self._keys.begun(delivery.queue, term.name)]
                self._link.send(call(BEGIN, keys, [term.name, delivery.tag]), partial(self._answered, term))
        self._link.flush_fully()

    def settle(self, batch: Sequence[Settlement]) -> None:
        """Settle what is this lane's; `want`, or the loop's next turn, writes it."""
        flights, term = self._terms.flights, self._term
        mine: list[Settlement] = []
        others: dict[Term, list[Settlement]] = {}
        for one in batch:
            tag = one.delivery.tag
            owner = flights.get(tag)
            if owner is term:
                mine.append(one)
            elif owner is not None and owner.lane is self:
                others.setdefault(owner, []).append(one)
        if mine:
            others[term] = mine
        # All is packed before any of it is sent or forgotten: where a value cannot be packed nothing has changed.
        keys, layout = self._keys, self._layout
        packed = [(owner, *one) for owner, some in others.items() for one in commands(keys, layout, owner.name, some)]
        for owner, words, tags in packed:
            self._ends.end(owner, words, tags)
        self._soon()

    def acknowledge(self, batch: Sequence[Delivery], on_answer: OnAnswer) -> None:
        """Acknowledge what is to begin after that, and tell whether it may; see `kernelq.handles.EarlyLane`."""
        self._ends.acknowledge(self._terms.of(self), batch, on_answer)
        self._soon()

    def commits(self, backend: ResultBackend) -> bool:
        """Say yes to a backend in the same database of the same server."""
        from kernelq_redis.backend import RedisBackend

        if isinstance(backend, RedisBackend) and backend.location == self._terms.location:
            self._layout = backend.layout
            return True
        return False

    def add_queue(self, queue: str) -> None:
        """Consume from one queue more."""
        if queue in self._queues or self._loop is None:
            return
        if queue not in self._term.queues:
            self._term.queues.append(queue)
        self._join(self._term, [queue])
        for key, member in bind(self._keys, self._settings, queue):
            self._link.send(pack(("SADD", key, member)), _nothing, refusable=True)
        self._idle.add(queue)
        self._queues.append(queue)
        self._changed()
        self._go_on()

    def cancel_queue(self, queue: str) -> None:
        """Consume from `queue` no longer; what still lands from it goes back."""
        if queue in self._queues:
            self._queues.remove(queue)
            self._changed()

    def depth(self, most: int = 1000) -> int | None:
        """Return what was counted last, and have it counted again; None when the lane is closed."""
        if self._loop is None:
            return None
        if not self._queues:
            return 0
        if self._depth.ask(self._link, self._queues):
            self._soon()
        return min(self._depth.figure, most)

    def close(self, release: Sequence[Delivery] = ()) -> None:
        """Give back what was not started, end the lease, free everything. Never raises for a lost broker.

        Where the connection was lost, this or that of control commands, the lease is kept for the next lane: what still
        runs is settled there.
        """
        loop, self._loop = self._loop, None
        if loop is None:
            return
        self._credit = 0
        if self._timer is not None:
            self._timer.cancel()
        if self._pid != os.getpid():  # a copy in a forked child: the lease is the parent's
            return
        try:
            if self._link.usable and self._idle.usable and not isinstance(sys.exception(), Unreachable):
                self._leave(release)
        except BrokerLost as error:
            log.warning("closing the lane: %s", error)
        finally:
            self._park()
            self._idle.close()
            self._link.abort()
            self._ends.close()

    def _park(self) -> None:
        """Turn no more, and keep all of this lane's terms for the next one."""
        self._loop = None
        for term in self._terms.of(self):
            self._terms.park(term)

    def _leave(self, release: Sequence[Delivery]) -> None:
        farewell = Farewell(self._link, self._terms)
        farewell.end_waits(self._idle.clients())
        self.settle([Settlement(delivery, Verdict.REQUEUE) for delivery in release])
        for term in self._terms.of(self):
            farewell.end(term)

    def info(self) -> dict[str, Any]:
        """Return what `inspect stats` shows."""
        return {
            "transport": "redis",
            "server": self._terms.location.safe_url(),
            "queues": list(self._queues),
            "in_flight": sum(1 for term in list(self._terms.flights.values()) if term.lane is self),
            "credit": self._credit,
            "fenced": self._fenced,
            "buried": self._ends.buried,
        }

    # -- turns of the loop --------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        if not self._flushing and self._loop is not None:
            self._flushing = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Claim where there is credit and nobody waits for more to come; write."""
        self._flushing = False
        if self._loop is None:
            return
        if self._credit > 0 and not self._idle.waiting:
            self._claim()
        self._link.flush()

    def _tick(self) -> None:
        """Look at what no waiter tells of: other priorities, what is due, a silent server, a lease that has ended."""
        if self._loop is None:
            return
        self._link.check()
        self._idle.check()
        for term in self._terms.of(self):
            if term.lost:
                self._become_new(term)
        if self._idle.look(self._credit > 0):
            self._claim()
        self._link.flush()
        self._timer = self._loop.call_later(self._idle.pause(), self._tick)

    def _changed(self) -> None:
        """Note that the queues, or their order, are others now."""
        of, name = self._keys.of, self._term.name
        self._claim_keys = [of(queue, name)[at] for queue in self._queues for at in (0, 1, 2, 4, 5, 6, 7, 8, 9)]
        self._claim_keys += self._keys.rescues(name)
        self._claim_more = [entry_end(queue) for queue in self._queues if self._term.rescued]
        self._idle.reset()

    def _claim(self) -> None:
        if self._claiming or not self._queues:
            return
        self._claiming = True
        asked = min(self._credit, MOST if self._size * MOST < BYTES else int(BYTES / self._size) or 1)
        number = self._terms.number(asked)
        arguments: list[Argument] = [self._term.name, number, asked, DUE_AT_ONCE, *self._claim_more]
        on_reply = partial(self._claimed, self._term, tuple(self._queues), asked)
        self._link.send(call(CLAIM.of(self._term.name), self._claim_keys, arguments), on_reply)

    def _claimed(self, term: Term, queues: Sequence[str], asked: int, answer: Any) -> None:
        self._claiming = False
        holds, due, groups = answer
        if not holds or term.lost:  # where the keeper learnt it first, this answer is older than the end of the lease
            self._become_new(term)
            return
        claim = Claim()
        if groups:
            self._size = claim.add_groups(groups, queues) / len(claim)
            self._terms.flights.update(dict.fromkeys(claim.tags(), term))
            if len(queues) > 1 and len(claim) == asked and tuple(self._queues) == queues:
                self._queues.append(self._queues.pop(0))
                self._changed()
        self._idle.came(len(claim), asked, float(due) if due else None)
        if groups:
            self._hand_over(claim)
        if self._idle.waiting and self._credit > 0 and self._loop is not None:
            self._idle.wait(self._keys, self._term, self._queues)

    def _hand_over(self, claim: Claim) -> None:
        """Deliver within the credit, each lost one alone; give back what is beyond it, bury what is none."""
        back = claim.cut(self._credit if self._loop is not None else 0)
        ends = [Settlement(delivery, Verdict.REQUEUE) for delivery in back] + claim.burials
        if ends:
            for burial in claim.burials:
                log.error("buried in %s: %s", burial.delivery.queue, burial.reason)
            self.settle(ends)
            self._link.flush()
        self._credit -= len(claim.fresh) + len(claim.lost_before)
        if claim.fresh:
            self._on_deliveries(claim.fresh)
        for delivery in claim.lost_before:
            self._on_deliveries([delivery])

    # -- the idle wait ------------------------------------------------------------------------------------------------

    def _waited(self, waiter: Waiter) -> None:
        """Wait on, where that still makes sense."""
        if self._loop is not None and self._credit > 0 and self._idle.waiting:
            self._idle.wait(self._keys, self._term, self._queues)

    def _landed(self, waiter: Waiter, landing: str, raw: bytes) -> None:
        """Take a message that came while the lane was idle: have it adopted, and start it without waiting for that."""
        term, queue = self._term, waiter.queue
        if term.rescued:  # it is where it was: in a landing list Celery would not find it
            self._idle.reset()
            self._soon()
            return
        if self._credit <= 0 or queue not in self._queues or landing != waiter.landing(self._keys, term):
            self._put_back(waiter, landing)
            return
        tag = 4 * (self._terms.number(1) + 1) + STEPS.index(waiter.step)
        keys = [self._keys.alive(queue), self._keys.unacked(queue, term.name), self._keys.counts(queue), landing]
        packed = call_whole(ADOPT, keys, [term.name, tag, fingerprint(raw)])
        lost_before = raw.endswith(b" ")
        self._ends.send(term, packed, [tag], partial(self._adopted, term, waiter, landing, tag, raw))
        if not lost_before:
            self._terms.flights[tag] = term
        self._idle.reset()
        if self._credit > 1:
            self._claim()
        self._link.flush()
        if not lost_before:
            self._take_one(queue, tag, raw, 0)

    def _adopted(self, term: Term, waiter: Waiter, landing: str, tag: int, raw: bytes, lost: int) -> None:
        """Start a message that someone lost before, now that it is known how often."""
        if lost == -1:
            self._put_back(waiter, landing)
        elif lost >= 0 and raw.endswith(b" "):
            self._terms.flights[tag] = term
            self._take_one(waiter.queue, tag, raw, lost)

    def _put_back(self, waiter: Waiter, landing: str) -> None:
        ready = self._keys.ready(waiter.queue, waiter.step)
        self._link.send(pack(("LMOVE", landing, ready, "RIGHT", "RIGHT")), _nothing)
        self._link.flush()

    def _take_one(self, queue: str, tag: int, raw: bytes, lost: int) -> None:
        claim = Claim()
        claim.add(raw, queue, tag, lost)
        self._hand_over(claim)

    # -- answers ------------------------------------------------------------------------------------------------------

    def _answered(self, term: Term, answer: int) -> None:
        if answer == -1:
            self._become_new(term)

    def _join(self, term: Term, queues: Sequence[str]) -> None:
        self._link.send(call(JOIN, [self._keys.alive(queue) for queue in queues], [term.name, 1]), _nothing)

    def _become_new(self, term: Term) -> None:
        """Go on under a new name after the lease has ended: what was in flight belongs to others."""
        if term not in self._terms.of(self):
            return  # known already
        if term is self._term:
            self._term = self._terms.take(self)
            self._term.queues = list(self._queues)
            self._join(self._term, self._queues)
            self._changed()
        self._fenced += 1
        self._ends.lost(term)
        log.warning(
            "this worker's lease on %s has ended (it was stopped, or cut off): %d messages in flight belong to other "
            "workers now, and their late settlements are dropped",
            self._terms.location.safe_url(),
            self._terms.drop(term),
        )
        self.on_fenced()
        self._soon()


def _nothing(_: Any) -> None:
    """Take an answer that tells nothing."""
