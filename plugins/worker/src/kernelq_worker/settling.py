"""From an outcome to its settlement: publish what follows, store the result, settle; in this order, in batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kernelq.delivery import Settlement, Verdict
from kernelq.failpoint import around
from kernelq.kernel.errors import ConfigurationError, Unreachable
from kernelq.texts import said
from kernelq_worker.backoff import LONGEST_DELAY, Backoff
from kernelq_worker.endings import Ending, MakeFailure, Spoiler

if TYPE_CHECKING:
    from kernelq.handles import Loop
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.kernel.contracts.transport import Lane, Sender
    from kernelq.message import Message
    from kernelq.outcome import Record

log = logging.getLogger("kernelq.worker")

MOST_WAITING = 10_000
"""Endings that wait for broker or store before the worker takes no further tasks."""

AWAY = (Unreachable, ConfigurationError)
"""Errors that are of the server, so of every ending alike: all of them wait. Any other is of one ending of the batch,
which is found by trying each alone."""


class Settler:
    """Takes endings through their stages, at the end of each turn of the loop.

    While the store is away its endings wait, unsettled; after `patience` seconds their deliveries go back to the
    queue, so that a worker that reaches the store does the work again. While the broker is away, settlements wait for
    the next lane. An ending that fails for a reason of its own is buried with it, and the others go on.
    """

    def __init__(
        self, loop: Loop, sender: Sender, backend: ResultBackend | None, patience: float, failure: MakeFailure
    ) -> None:
        self._loop = loop
        self._publish_many = around(sender.publish_many, "before_follow", "after_follow")
        self._backend = backend
        self._store_many = None if backend is None else around(backend.store_many, "before_store", "after_store")
        self._patience = patience
        self._spoiler = Spoiler(failure)
        self._lane_settle: Callable[[Sequence[Settlement]], None] | None = None
        self._commits = False
        self._publish: list[Ending] = []
        self._store: list[Ending] = []
        self._settle: list[Settlement] = []
        self._publishing = Backoff("publish what ended tasks have sent")
        self._storing = Backoff("store results")

    @property
    def waiting(self) -> int:
        """How many endings are not settled yet."""
        return len(self._publish) + len(self._store) + len(self._settle)

    @property
    def overfull(self) -> bool:
        """Whether so many wait that no further task should start."""
        return self.waiting >= MOST_WAITING

    def attach(self, lane: Lane) -> None:
        """Settle on `lane` from now on."""
        self._lane_settle = around(lane.settle, "before_settle", "after_settle")
        self._commits = self._backend is not None and lane.commits(self._backend)

    def detach(self) -> list[Settlement]:
        """Settle nowhere for now; return the settlements that wait."""
        self._lane_settle = None
        return list(self._settle)

    def add(
        self, settlement: Settlement | None, messages: tuple[Message, ...] = (), record: Record | None = None
    ) -> None:
        """Take the end of one delivery; None where it was settled before."""
        if not messages and settlement is not None and (record is None or self._commits):
            settlement.record = record
            self._settle.append(settlement)
            return
        ending = Ending(settlement, messages, record, time.monotonic())
        (self._publish if messages else self._store).append(ending)

    def also(self, settlements: Sequence[Settlement]) -> None:
        """Settle these too, with nothing before them."""
        self._settle += settlements

    def flush(self) -> None:
        """Take everything as far as it goes. Raises `BrokerLost`; nothing is forgotten then."""
        now = time.monotonic()
        if self._publish and now >= self._publishing.until:
            self._flush_messages()
        if self._store and now >= self._storing.until:
            self._flush_records(now)
        settle = self._lane_settle
        if self._settle and settle is not None:
            batch, self._settle = self._settle, []
            try:
                settle(batch)
            except BaseException as error:
                self._settle = batch + self._settle
                if isinstance(error, AWAY) or not isinstance(error, Exception):
                    raise
                self._settle_each(settle)

    # -- publishing

    def _flush_messages(self) -> None:
        batch = self._publish
        messages = [message for ending in batch for message in ending.messages]
        try:
            if not self._tried(self._publishing, partial(self._publish_many, messages), len(batch)):
                return
        except Exception as error:  # noqa: BLE001 - one of them cannot be sent, and which one shows when each is alone
            for ending in batch:
                ending.sent_but(error)
            self._publish_each()
            return
        self._publish = []
        for ending in batch:
            self._published(ending)

    def _publish_each(self) -> None:
        waiting = self._publish
        while waiting:
            ending = waiting[0]
            try:
                attempt = partial(self._publish_many, ending.messages)
                if ending.messages and not self._tried(self._publishing, attempt, len(waiting)):
                    return
            except Exception as error:  # noqa: BLE001 - it is told in the log, in the dead set and in the result
                ending.sent_but(error)
                self._store += self._spoiler.unsent(ending, error)
            del waiting[0]
            self._published(ending)

    def _published(self, ending: Ending) -> None:
        ending.messages = ()
        self._stored(ending) if ending.record is None else self._store.append(ending)

    # -- storing

    def _flush_records(self, now: float) -> None:
        batch = self._store
        records = [ending.record for ending in batch if ending.record is not None and self._is_direct(ending)]
        try:
            done = self._stores(records, len(batch))
        except Exception:  # noqa: BLE001 - one of them cannot be stored, and which one shows when each is stored alone
            done = self._store_each()
        if done:
            self._store = []
            for ending in batch:
                self._stored(ending)
        else:
            self._store = self._give_up(self._store, now)

    def _store_each(self) -> bool:
        """Store each alone; return whether that is all, else only those that are not stored still wait."""
        for at, ending in enumerate(self._store):
            while ending.record is not None and self._is_direct(ending):
                try:
                    if self._stores([ending.record], len(self._store) - at):
                        break
                except Exception as error:  # noqa: BLE001 - it is told in the log, in the dead set and in the result
                    self._spoiler.unstored(ending, error)
                    continue
                done, self._store = self._store[:at], self._store[at:]
                for one in done:
                    self._stored(one)
                return False
        return True

    def _stores(self, records: Sequence[Record], waiting: int) -> bool:
        if self._store_many is None or not records:
            return True
        return self._tried(self._storing, partial(self._store_many, records), waiting)

    def _is_direct(self, ending: Ending) -> bool:
        """Tell whether its result is stored by itself, and not with its settlement."""
        return not (self._commits and ending.settlement is not None)

    def _stored(self, ending: Ending) -> None:
        settlement = ending.settlement
        if settlement is not None:
            settlement.record = ending.record if self._commits else None
            self._settle.append(settlement)

    def _give_up(self, batch: list[Ending], now: float) -> list[Ending]:
        """Return those that still wait; the deliveries of the others go back to their queues."""
        kept = []
        for ending in batch:
            if now - ending.since < self._patience or ending.settlement is None:
                kept.append(ending)
                continue
            delivery = ending.settlement.delivery
            task_id = delivery.headers.get("id")
            log.error("the result of %s could not be stored in %g seconds; it goes back", task_id, self._patience)
            self._settle.append(Settlement(delivery, Verdict.DEFER, eta=time.time() + LONGEST_DELAY))
        return kept

    # -- settling

    def _settle_each(self, settle: Callable[[Sequence[Settlement]], None]) -> None:
        waiting = self._settle
        while waiting:
            self._settle_one(settle, waiting[0])
            del waiting[0]

    def _settle_one(self, settle: Callable[[Sequence[Settlement]], None], settlement: Settlement) -> None:
        """Settle one as it is, or bury it. What cannot even be buried is its lane's until that is closed."""
        attempts = [settlement]
        while attempts:
            tried = attempts.pop(0)
            try:
                settle([tried])
                return
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - it is told in the log, in the dead set and in the result
                if tried is settlement:
                    attempts = self._spoiler.unsettled(settlement, error)
                problem = error
        log.error(
            "message %s of queue %s cannot be settled; it stays with this worker until that ends, then it is delivered "
            "again: %s", said(settlement.delivery.headers.get("id")), settlement.delivery.queue, said(problem),
        )  # fmt: skip

    def _tried(self, backoff: Backoff, attempt: Callable[[], None], waiting: int) -> bool:
        """Attempt it; return False where the server is away, and come back to it later."""
        try:
            attempt()
        except AWAY as error:
            self._loop.call_later(backoff.failed(error, waiting), _wake)
            return False
        backoff.succeeded()
        return True


def _wake() -> None:
    """Make the loop turn; its turn flushes."""
