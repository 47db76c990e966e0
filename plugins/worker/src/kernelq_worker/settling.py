"""From an outcome to its settlement: publish what follows, store the result, settle; in this order, in batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kernelq.failpoint import around
from kernelq.texts import said
from kernelq_worker.backoff import AWAY, Backoff
from kernelq_worker.endings import Ending, MakeFailure, Spoiler
from kernelq_worker.storing import Storing

if TYPE_CHECKING:
    from kernelq.delivery import Settlement
    from kernelq.handles import Loop
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.kernel.contracts.transport import Lane, Sender
    from kernelq.message import Message
    from kernelq.outcome import Record

log = logging.getLogger("kernelq.worker")

MOST_WAITING = 10_000
"""Endings that wait for broker or store before the worker takes no further tasks."""


class Settler:
    """Takes endings through their stages, at the end of each turn of the loop.

    While the store is away its endings wait, unsettled, and the others go on (see `Storing`); after `patience` seconds
    their deliveries go back to the queue, so that a worker that reaches the store does the work again. While the broker
    is away, settlements wait for the next lane. An ending that fails for a reason of its own is buried with it.
    """

    def __init__(
        self, loop: Loop, sender: Sender, backend: ResultBackend | None, patience: float, failure: MakeFailure
    ) -> None:
        self._publish_many = around(sender.publish_many, "before_follow", "after_follow")
        self._backend = backend
        self._spoiler = Spoiler(failure)
        self._lane_settle: Callable[[Sequence[Settlement]], None] | None = None
        self._commits = False
        self._publish: list[Ending] = []
        self._settle: list[Settlement] = []
        self._publishing = Backoff(loop, "publish what ended tasks have sent")
        store_many = _nowhere if backend is None else around(backend.store_many, "before_store", "after_store")
        self._storing = Storing(loop, store_many, patience, self._spoiler, self.also)

    @property
    def waiting(self) -> int:
        """How many endings are not settled yet."""
        return len(self._publish) + len(self._storing) + len(self._settle)

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
        if messages:
            self._publish.append(Ending(settlement, messages, record, time.monotonic()))
        elif settlement is not None and (record is None or self._commits):
            settlement.record = record
            self._settle.append(settlement)
        elif record is not None:
            self._storing.add(Ending(settlement, (), record, time.monotonic()))

    def also(self, settlements: Sequence[Settlement]) -> None:
        """Settle these too, with nothing before them."""
        self._settle += settlements

    def flush(self) -> None:
        """Take everything as far as it goes. Raises `BrokerLost`; nothing is forgotten then."""
        if self._publish and time.monotonic() >= self._publishing.until:
            self._flush_messages()
        if self._storing:
            self._storing.flush()
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
            if not self._tried(partial(self._publish_many, messages), len(batch)):
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
                if ending.messages and not self._tried(attempt, len(waiting)):
                    return
            except Exception as error:  # noqa: BLE001 - it is told in the log, in the dead set and in the result
                ending.sent_but(error)
                for other in self._spoiler.unsent(ending, error):
                    self._storing.add(other)
            del waiting[0]
            self._published(ending)

    def _tried(self, attempt: Callable[[], None], waiting: int) -> bool:
        """Attempt it; return False where the broker is away, and come back to it later."""
        try:
            attempt()
        except AWAY as error:
            self._publishing.failed(error, waiting)
            return False
        self._publishing.succeeded()
        return True

    def _published(self, ending: Ending) -> None:
        """Take an ending to the stage that comes next."""
        ending.messages = ()
        settlement, record = ending.settlement, ending.record
        if record is not None and (settlement is None or not self._commits):
            self._storing.add(ending)
        elif settlement is not None:
            settlement.record = record
            self._settle.append(settlement)

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


def _nowhere(records: Sequence[Record]) -> None:
    """Store nothing: there is no result store."""
