"""Results on their way into their store: inline while it answers, in a thread while it is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Settlement, Verdict
from kernelq.texts import said
from kernelq_worker.backoff import AWAY, LONGEST_DELAY, Backoff

if TYPE_CHECKING:
    from kernelq.handles import Loop
    from kernelq_worker.endings import Ending, Spoiler

log = logging.getLogger("kernelq.worker")

STUCK = 30.0
"""Seconds after which an attempt counts as one without an end: a store gives up by itself long before."""


class Storing:
    """The stage of endings that have a result to be stored. `settle` gets the settlements of those that are stored.

    While the store answers, results are stored inline, which costs a task no hand-over. An attempt at a store that is
    silent takes all of the store's timeout, so as soon as one has failed the next are made in a thread, and the loop
    goes on meanwhile; the first that succeeds is the last of these. So a store that goes silent stops the loop once.

    There is one attempt at a time, with all that waits when it begins, and in the order in which it was added: nothing
    is stored twice at once, and the last result of a task last. What is added meanwhile waits for the next. An error
    that is of one record alone is found by storing each alone; what takes the record's place is stored where it stood.

    After `patience` seconds deliveries go back to their queues. That is looked at when an attempt has failed, not while
    the thread may store them, except where it is `STUCK`. Then a result may be stored though its task is about to run
    again, as after an attempt whose answer was lost. That is harmless: nothing was settled, and a SUCCESS stays.

    Hosts may be forked while the thread runs: in the child every store lets go of its locks and connections, by the
    contract `ResultBackend`, and this object is not used there. The thread holds up no exit.
    """

    def __init__(
        self,
        loop: Loop,
        store_many: Callable[[Sequence[Any]], None],
        patience: float,
        spoiler: Spoiler,
        settle: Callable[[Sequence[Settlement]], None],
    ) -> None:
        self._loop = loop
        self._store_many = store_many
        self._patience = patience
        self._spoiler = spoiler
        self._settle = settle
        self._waiting: list[Ending] = []
        """In the order of their coming; those that the thread has are the first of them."""
        self._backoff = Backoff(loop, "store results")
        self._away = False
        self._began: float | None = None
        """Monotonic seconds at which the thread's attempt began; None: there is none."""
        self._stuck = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, ending: Ending) -> None:
        """Take an ending that has a record."""
        self._waiting.append(ending)

    def flush(self) -> None:
        """Take what waits as far as it goes."""
        if self._began is not None:
            if time.monotonic() - self._began >= STUCK:
                self._stuck = True
                self._give_up()
            return
        while self._waiting and time.monotonic() >= self._backoff.until:
            records = [ending.record for ending in self._waiting]
            if self._away and self._begin(records):
                return
            self._took(*self._attempt(records))

    # -- in either thread

    def _attempt(self, records: Sequence[Any]) -> tuple[int, Exception | None]:
        """Return how many are stored, from the first on, and what kept the next one from it."""
        try:
            self._store_many(records)
        except AWAY as error:
            return 0, error
        except Exception:  # noqa: BLE001 - one of them cannot be stored, and which one shows when each is alone
            return self._attempt_each(records)
        return len(records), None

    def _attempt_each(self, records: Sequence[Any]) -> tuple[int, Exception | None]:
        for at, record in enumerate(records):
            try:
                self._store_many([record])
            except Exception as error:  # noqa: BLE001 - the loop's thread tells it
                return at, error
        return len(records), None

    # -- the thread

    def _begin(self, records: Sequence[Any]) -> bool:
        """Begin an attempt in a thread; return False where the system has none left."""
        thread = threading.Thread(target=self._run, args=(records,), name="kernelq-storing", daemon=True)
        self._began = time.monotonic()
        try:
            thread.start()
        except RuntimeError as error:
            self._began = None
            log.warning("the store is away, and the loop waits for it since there is no thread for that: %s", error)
            return False
        return True

    def _run(self, records: Sequence[Any]) -> None:
        end: tuple[int, BaseException | None]
        try:
            end = self._attempt(records)
        except BaseException as error:  # noqa: BLE001 - it is raised where it would be without this thread
            end = 0, error
        self._loop.call_soon(self._ended, *end)

    def _ended(self, stored: int, error: BaseException | None) -> None:
        stuck, self._stuck, self._began = self._stuck, False, None
        if error is not None and not isinstance(error, Exception):
            raise error
        if not stuck:  # else some may have gone back since, and the others are stored once more
            self._took(stored, error)

    # -- the loop

    def _took(self, stored: int, error: Exception | None) -> None:
        """Go on with the first `stored` that wait, and with what `error` leaves of the next."""
        self._pass(stored)
        if isinstance(error, AWAY):
            self._away = True
            self._backoff.failed(error, len(self._waiting))
            self._give_up()
            return
        if stored and self._away:
            self._away = False
            self._backoff.succeeded()
        if error is not None:
            spoilt = self._waiting[0]
            self._spoiler.unstored(spoilt, error)
            if spoilt.record is None:
                self._pass(1)

    def _pass(self, count: int) -> None:
        passed = self._waiting[:count]
        del self._waiting[:count]
        self._settle([ending.settlement for ending in passed if ending.settlement is not None])

    def _give_up(self) -> None:
        """Let the deliveries of those that have waited too long go back to their queues."""
        now, kept, back = time.monotonic(), [], []
        for ending in self._waiting:
            if now - ending.since < self._patience or ending.settlement is None:
                kept.append(ending)
                continue
            delivery = ending.settlement.delivery
            task_id = said(delivery.headers.get("id"))
            log.error("the result of %s could not be stored in %g seconds; it goes back", task_id, self._patience)
            back.append(Settlement(delivery, Verdict.DEFER, eta=time.time() + LONGEST_DELAY))
        self._waiting[:] = kept
        self._settle(back)
