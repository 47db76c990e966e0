"""The lane: tasks from the database in batches, under one lease."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.kernel.errors import BrokerLost, Unreachable
from kernelq_sqlite import ledger, results
from kernelq_sqlite.backend import SqliteBackend
from kernelq_sqlite.ballast import Ballast
from kernelq_sqlite.doorbell import LANES, WAITERS, Bell, Ringer
from kernelq_sqlite.identity import Identity
from kernelq_sqlite.lease import Owner
from kernelq_sqlite.recovery import Sweeper, recover
from kernelq_sqlite.store import Store

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer
    from kernelq.kernel.contracts.backend import ResultBackend

log = logging.getLogger(__name__)

SWEEP = b"s"
"""What a closing lane says with its bell: look at the leases now."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds between two looks at the file when no bell rings
_SWEEP_EVERY = 0.9
_CHECKPOINT_AFTER = 2.0  # seconds without a delivery


class SqliteLane:
    """Deliveries from a database file, in batches against credit. See the contract `Lane`.

    Call `want` before `settle` in a turn of the loop: then the settlements, their results and the next claim are one
    transaction.
    """

    def __init__(self, store: Store, identity: Identity, sweeper: Sweeper) -> None:
        self._store = store
        self._identity = identity
        self._sweeper = sweeper
        self._lanes = Ringer(store.location, LANES)
        self._waiters = Ringer(store.location, WAITERS)
        self._ballast = Ballast(store.location)
        store.on_full = self._ballast.drop
        self._queues: list[str] = []
        self._credit = 0
        self._claimed: list[list[Delivery]] = []  # batches in flight, and not yet handed over
        self._scheduled = False
        self._version = -1
        self._pause = _SHORTEST_PAUSE
        self._swept = self._busy_at = 0.0
        self._due: float | None = None
        self._bell: Bell | None = None
        self._loop: Loop | None = None
        self._timers: dict[str, Timer] = {}
        self._owner: Owner | None = None
        self._fenced = self._buried = 0
        self.on_fenced: Callable[[], None] = lambda: None
        """Called when deliveries belong to others, since the lease has ended; see `kernelq.handles.LeasedLane`."""

    # -- the contract -------------------------------------------------------------------------------------------------

    def open(self, loop: Loop, queues: Sequence[str], on_deliveries: Callable[[list[Delivery]], None]) -> None:
        """Open the database, take the lease, and consume `queues`."""
        try:
            self._owner = self._identity.take()
            self._bell = Bell(self._store.location, LANES)
        except OSError as error:
            raise BrokerLost(f"cannot make a lease or a bell in {self._store.location.side}: {error}") from error
        self._ballast.take()
        if self._identity.fenced:
            self.on_fenced()
        self._on_deliveries = on_deliveries
        self._loop = loop
        for queue in queues:
            self.add_queue(queue)
        loop.add_reader(self._bell.fileno(), self._rung)
        self._tick()

    def want(self, n: int) -> None:
        """Set the credit; what was claimed and is not yet handed over counts against it."""
        self._credit = max(0, n - sum(map(len, self._claimed)))
        if self._credit:
            self._schedule()

    def begin(self, batch: Sequence[Delivery]) -> None:
        """Note in the database, before it returns, that redelivered messages start now."""
        if self._owner is not None:
            self._guarded(lambda db, owner: ledger.begin(db, owner.id, _flying(owner, batch)))

    def settle(self, batch: Sequence[Settlement]) -> None:
        """Settle, store the results carried, and claim against the credit there is, in one transaction."""
        owner = self._owner
        if not batch or owner is None:
            return
        claimed = self._guarded(lambda db, owner: self._settle_and_claim(db, owner, batch))
        verdicts = {settlement.verdict for settlement in batch}
        for settlement in batch:
            owner.flying.pop(settlement.delivery.tag, None)
        if any(settlement.record is not None for settlement in batch):
            self._waiters.ring()
        if verdicts & {Verdict.REQUEUE, Verdict.DEFER}:
            self._lanes.ring()
        if claimed is not None:
            self._accept(claimed)

    def acknowledge(self, batch: Sequence[Delivery], on_answer: Callable[[Sequence[Delivery], bool], None]) -> None:
        """Acknowledge what is to begin after that, and tell whether it may; see `kernelq.handles.EarlyLane`."""
        owner = self._owner
        flying = {} if owner is None else owner.flying
        mine = [delivery for delivery in batch if delivery.tag in flying]
        others = [delivery for delivery in batch if delivery.tag not in flying]
        if mine:
            self.settle([Settlement(delivery, Verdict.ACK) for delivery in mine])
            on_answer(mine, self._owner is owner)  # a lane that has lost its lease has become a new owner
        if others:
            on_answer(others, False)

    def commits(self, backend: ResultBackend) -> bool:
        """Say yes to a backend on the same database file."""
        return isinstance(backend, SqliteBackend) and backend.location == self._store.location

    def add_queue(self, queue: str) -> None:
        """Consume from one queue more."""
        with self._store.write(BrokerLost, reopen=False) as db:
            db.execute("INSERT OR IGNORE INTO queue(name) VALUES(?)", (queue,))
        if queue not in self._queues:
            self._queues.append(queue)
            self._schedule()

    def cancel_queue(self, queue: str) -> None:
        """Consume from `queue` no longer."""
        if queue in self._queues:
            self._queues.remove(queue)

    def depth(self, most: int = 1000) -> int | None:
        """Count what waits, up to `most`; None when the lane is closed."""
        if self._owner is None:
            return None
        with self._store.read(BrokerLost, reopen=False) as db:
            found = ledger.waiting(db, self._queues, time.time(), most)
        return min(found + sum(map(len, self._claimed)), most)

    def close(self, release: Sequence[Delivery] = ()) -> None:
        """Give back what was not started, end the lease, free everything. Never raises for a lost database."""
        if self._loop is not None and self._bell is not None:
            self._loop.remove_reader(self._bell.fileno())
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        self._loop, self._credit = None, 0
        owner, self._owner = self._owner, None
        if owner is not None:
            self._leave(owner, [*release, *itertools.chain.from_iterable(self._claimed)])
            self._identity.leave()
        self._claimed = []
        self._lanes.close()
        self._waiters.close()

    def info(self) -> dict[str, Any]:
        """Return what `inspect stats` shows."""
        return {
            "transport": "sqlite",
            "database": self._store.location.path,
            "queues": list(self._queues),
            "in_flight": 0 if self._owner is None else len(self._owner.flying),
            "credit": self._credit,
            "fenced": self._fenced,
            "buried": self._buried,
        }

    # -- turns of the loop --------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._loop is None:
            return
        if self._claimed:
            self._hand_over()
        if self._credit <= 0 or not self._queues or self._loop is None:
            return
        with self._store.read(BrokerLost, reopen=False) as db:
            self._due = ledger.next_due(db)
            wanted = self._is_due() or ledger.anything_ready(db, self._queues)
        if wanted:
            claimed = self._guarded(self._claim)
            if claimed is not None:
                self._accept(claimed)
                self._hand_over()
        self._arm()

    def _hand_over(self) -> None:
        batches, self._claimed = self._claimed, []
        for batch in batches:
            self._on_deliveries(batch)

    def _accept(self, claimed: ledger.Claim) -> None:
        assert self._owner is not None
        flying, tags = self._owner.flying, self._identity.tags
        for ident, delivery in claimed.taken:
            delivery.tag = next(tags)
            flying[delivery.tag] = ident
        if claimed.taken:
            self._claimed.append([delivery for _, delivery in claimed.taken])
        self._credit -= len(claimed.taken)
        self._buried += claimed.buried
        if claimed.buried:
            log.error("%d unreadable messages were buried in %s", claimed.buried, self._store.location.path)
        if claimed.taken or claimed.more:
            self._busy_at = time.monotonic()
            self._pause = _SHORTEST_PAUSE
            self._schedule()

    def _rung(self, *_: object) -> None:
        if self._bell is None:
            return
        if SWEEP in self._bell.drain():
            self._sweep()
        if self._credit > 0 and not self._scheduled:
            self._turn()

    def _tick(self) -> None:
        """Look at what no bell tells of: dead owners, foreign writers, a file that was replaced, a long log."""
        if self._loop is None:
            return
        version = self._store.data_version(BrokerLost)
        if version != self._version:
            self._version, self._pause = version, _SHORTEST_PAUSE
            if self._credit > 0:
                self._schedule()
        else:
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        now = time.monotonic()
        if now - self._swept >= _SWEEP_EVERY - self._pause / 2:
            self._sweep()
        if now - self._busy_at > _CHECKPOINT_AFTER and self._store.wal_size():
            self._store.checkpoint(BrokerLost)
        self._timers["tick"] = self._loop.call_later(self._pause, self._tick)

    def _sweep(self) -> None:
        assert self._owner is not None
        self._swept = time.monotonic()
        with self._store.read(BrokerLost, reopen=False) as db:
            lost = not ledger.owned(db, self._owner.id)
        if lost:
            self._become_new(self._owner)
        if self._sweeper.sweep(frozenset((self._owner.id,)), BrokerLost):
            self._lanes.ring()
            self._schedule()

    def _is_due(self) -> bool:
        return self._due is not None and self._due <= time.time()

    def _arm(self) -> None:
        timer = self._timers.pop("due", None)
        if timer is not None:
            timer.cancel()
        if self._due is not None and self._loop is not None and self._credit > 0:
            self._timers["due"] = self._loop.call_later(max(0.0, self._due - time.time()), self._schedule)

    # -- transactions -------------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[sqlite3.Connection, Owner], ledger.Claim | None]) -> ledger.Claim | None:
        """Run `work` in a transaction in which the lease still holds; a fenced lane becomes a new owner instead."""
        assert self._owner is not None
        with self._store.write(BrokerLost, reopen=False) as db:
            if ledger.owned(db, self._owner.id):
                return work(db, self._owner)
        self._become_new(self._owner)
        return None

    def _become_new(self, old: Owner) -> None:
        self._fenced += 1
        log.warning(
            "this worker's lease on %s has ended (it was stopped, or too busy to renew it): %d messages in flight "
            "belong to other workers now, and their late settlements are dropped",
            self._store.location.path,
            len(old.flying),
        )
        self._claimed = []
        self.on_fenced()
        old.let_go(unlink=True)
        self._owner = self._identity.new()
        self._schedule()

    def _settle_and_claim(
        self, db: sqlite3.Connection, owner: Owner, batch: Sequence[Settlement]
    ) -> ledger.Claim | None:
        mine = _owned(owner, batch)
        ledger.settle(db, owner.id, mine)
        records = [settlement.record for _, settlement in mine if settlement.record is not None]
        if records:
            results.store(db, records)
        return self._claim(db, owner) if self._credit > 0 and self._queues and self._loop is not None else None

    def _claim(self, db: sqlite3.Connection, owner: Owner) -> ledger.Claim:
        if self._is_due():
            if ledger.promote(db, time.time()):
                self._lanes.ring()
            self._due = ledger.next_due(db)
        claimed = ledger.claim(db, owner.id, self._queues, self._credit)
        self._queues.append(self._queues.pop(0))
        return claimed

    def _leave(self, owner: Owner, release: list[Delivery]) -> None:
        if not owner.held:  # a copy in a forked child: the lease is the parent's
            return
        keep = self._identity.failed
        try:
            with self._store.write(BrokerLost) as db:
                if ledger.owned(db, owner.id):
                    back = _owned(owner, [Settlement(delivery, Verdict.REQUEUE) for delivery in release])
                    ledger.settle(db, owner.id, back)
                    for delivery in release:
                        owner.flying.pop(delivery.tag, None)
                    if not keep:
                        recover(db, owner.id)
            self._lanes.ring(SWEEP)
        except Unreachable as error:
            log.warning("closing the lane: %s", error)
            keep = True
        if keep:
            self._identity.park(owner)
        else:
            owner.let_go(unlink=True)


def _flying(owner: Owner, batch: Sequence[Delivery]) -> list[int]:
    """Return the message ids of those deliveries that `owner` has in flight."""
    return [owner.flying[delivery.tag] for delivery in batch if delivery.tag in owner.flying]


def _owned(owner: Owner, batch: Sequence[Settlement]) -> list[tuple[int, Settlement]]:
    """Return message ids with their settlements, of those that `owner` has in flight; each message once."""
    mine: dict[int, Settlement] = {}
    for settlement in batch:
        ident = owner.flying.get(settlement.delivery.tag)
        if ident is not None:
            mine.setdefault(ident, settlement)
    return list(mine.items())
