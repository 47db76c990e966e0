"""The sender: messages into the database, several threads in one commit."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

import attrs

from kernelq.kernel.errors import BrokerUnreachable
from kernelq.message import Message
from kernelq_sqlite.doorbell import LANES, Ringer
from kernelq_sqlite.guard import guard
from kernelq_sqlite.rows import INSERT_DELAYED, INSERT_MESSAGE, INSERT_READY, Row, row
from kernelq_sqlite.store import Store


@attrs.define(eq=False)
class _Order:
    """What one call wants committed."""

    rows: list[tuple[Row, float | None]]
    done: bool = False
    problem: Exception | None = None


class SqliteSender:
    """Publishes messages; when `publish` returns they are committed, and survive the death of every process."""

    fork_rank = 0

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ringer = Ringer(store.location, LANES)
        self._known: set[str] = set()
        self._orders: deque[_Order] = deque()
        self._turn = threading.Lock()
        guard(self)

    def publish(self, message: Message) -> None:
        """Publish one message. Raises BrokerUnreachable within ``broker_connection_timeout``."""
        self._commit(_Order([(row(message), message.eta)]))

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Publish all messages in one transaction, in order, or none. Raises as `publish`."""
        if messages:
            self._commit(_Order([(row(message), message.eta) for message in messages]))

    def close(self) -> None:
        """Free everything. May be called twice; a later publish opens again."""
        self._ringer.close()
        self._store.close()

    def _commit(self, order: _Order) -> None:
        # Who gets the turn commits for all who wait, so many threads share one transaction.
        deadline = time.monotonic() + self._store.timeout
        self._orders.append(order)
        if not self._turn.acquire(timeout=self._store.timeout):
            with suppress(ValueError):  # the thread that has the turn has taken the order already
                self._orders.remove(order)
            raise BrokerUnreachable(f"the database {self._store.location.path} was busy: other threads are publishing")
        try:
            if not order.done:
                self._take_turn(deadline)
        finally:
            self._turn.release()
        if order.problem is not None:
            raise order.problem
        self._ringer.ring()

    def _take_turn(self, deadline: float) -> None:
        orders = []
        while self._orders:
            orders.append(self._orders.popleft())
        problem: Exception | None = None
        try:
            self._write((pair for order in orders for pair in order.rows), max(0.0, deadline - time.monotonic()))
        except Exception as error:  # noqa: BLE001  # told to every caller whose messages were in the transaction
            problem = error
        for order in orders:
            order.done, order.problem = True, problem

    def _write(self, rows: Iterable[tuple[Row, float | None]], timeout: float) -> None:
        new: set[str] = set()
        with self._store.write(BrokerUnreachable, timeout=timeout) as db:
            for values, eta in rows:
                insert(db, values, eta)
                if values[0] not in self._known:
                    new.add(values[0])
            db.executemany("INSERT OR IGNORE INTO queue(name) VALUES(?)", [(name,) for name in sorted(new)])
        self._known |= new

    def before_fork(self) -> None:
        """Wait for the running commit."""
        self._turn.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._turn.release()

    def after_fork_in_child(self) -> None:
        """Forget what other threads of the parent wanted sent."""
        self._turn = threading.Lock()
        self._orders = deque()


def insert(db: sqlite3.Connection, values: Row, eta: float | None) -> None:
    """Insert one message, ready now or due at `eta` (seconds since the epoch)."""
    ident = db.execute(INSERT_MESSAGE, values).lastrowid
    if eta is None or eta <= time.time():
        db.execute(INSERT_READY, (values[0], values[1], ident))
    else:
        db.execute(INSERT_DELAYED, (eta, ident, values[0]))
