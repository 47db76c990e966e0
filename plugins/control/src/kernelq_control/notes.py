"""What the cluster is to know, as this worker sees it: which deliveries are revoked, and which queues are paused."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kernelq.kernel.errors import BrokerLost, BrokerUnreachable, Unreachable
from kernelq.notices import GROUP, QUEUE, STAMP, TASK, stamp_name
from kernelq_control.remembered import Remembered

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.delivery import Delivery
    from kernelq.handles import QueueSet, WorkerState
    from kernelq.notices import Notices

log = logging.getLogger("kernelq.control")
T = TypeVar("T")

FRESH = 1.0
"""Seconds for which it is believed which kinds of notices there are."""
AGAIN = 5.0
"""Seconds between two looks whether a result store that did not answer does so again."""
MOST_PAUSED = 10_000
"""Queues."""


class StoreLost(BrokerLost):
    """The broker could not be asked for notices."""


class Notes:
    """The `kernelq.handles.Screen` of a worker. It asks the store in batches, and where there are notices only.

    A broker that cannot be asked is lost. A result store that cannot be asked is passed over, with a warning: tasks go
    on without it, until it answers a thread that asks it now and then. So one that is silent stops the loop once.
    """

    def __init__(self, app: KernelQ, state: WorkerState, queues: QueueSet) -> None:
        self._app, self._state, self._queues = app, state, queues
        self._alone = Remembered()
        self._kinds: frozenset[str] = frozenset()
        self._looked = float("-inf")
        self._away = False
        self._not_before = float("-inf")
        self._looking: threading.Thread | None = None
        """Asks a result store that is away."""
        self._paused: list[str] = []
        self.found = 0
        """Deliveries of which there was a notice."""

    @property
    def kept(self) -> bool:
        """Whether notices outlive this worker."""
        return self._app.control.notices() is not None

    @property
    def paused(self) -> Sequence[str]:
        """The queues that are paused, consumed here or not."""
        return self._paused

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Note which of them are revoked."""
        if time.monotonic() - self._looked > FRESH:
            self.look()
        kinds = self._kinds
        if TASK in kinds:
            self._revoke_ids(deliveries)
        if GROUP in kinds:
            self._revoke_by(GROUP, deliveries, _groups)
        if STAMP in kinds:
            self._revoke_by(STAMP, deliveries, stamps)

    def look(self) -> None:
        """Ask which kinds of notices there are, and which queues are paused; those are consumed no longer."""
        self._looked = time.monotonic()
        kinds = self._ask(lambda store: store.kinds())
        if kinds is None:
            return
        self._kinds = kinds
        paused = self._ask(lambda store: store.names(QUEUE, MOST_PAUSED)) if QUEUE in kinds else []
        if paused is not None and paused != self._paused:
            log.warning("paused queues: %s", ", ".join(paused) or "none any more")
            self._paused = paused
            self._queues.pause(paused)

    def stale(self) -> None:
        """Ask anew before the next delivery."""
        self._looked = float("-inf")

    def put(self, kind: str, names: Sequence[str]) -> None:
        """Keep notices, for as long as ``task_revoke_expires`` says."""
        seconds = self._app.conf.task_revoke_expires
        self._ask(lambda store: store.put(kind, names, seconds))
        self._kinds |= {kind}

    def _revoke_ids(self, deliveries: Sequence[Delivery]) -> None:
        known = self._state.revoked
        ids = [
            one for delivery in deliveries if isinstance(one := delivery.headers.get("id"), str) and one not in known
        ]
        if ids:
            self._note(self._ask(lambda store: store.find(TASK, ids)))

    def _revoke_by(self, kind: str, deliveries: Sequence[Delivery], names_of: Callable[[Any], Iterable[str]]) -> None:
        owners: dict[str, list[str]] = {}
        for delivery in deliveries:
            task_id = delivery.headers.get("id")
            if isinstance(task_id, str):
                for name in names_of(delivery.headers):
                    owners.setdefault(name, []).append(task_id)
        if owners:
            found = self._ask(lambda store: store.find(kind, list(owners)))
            self._note(task_id for name in found or () for task_id in owners[name])

    def _note(self, task_ids: Iterable[str] | None) -> None:
        ids = set(task_ids or ())
        if ids:
            self.found += len(ids)
            self._state.revoke(ids)

    def _ask(self, question: Callable[[Notices], T]) -> T | None:
        """Return the answer of the store; None where a result store does not answer. Raises `StoreLost`."""
        store = self._app.control.notices()
        if store is None:
            return question(self._alone)
        if self._away:
            self._look_again(store)
            return None
        try:
            return question(store)
        except BrokerUnreachable as error:
            self.stale()
            raise StoreLost(f"revokes and paused queues cannot be looked up: {error}") from error
        except Unreachable as error:
            self._away, self._not_before = True, time.monotonic() + AGAIN
            log.warning("revokes and paused queues cannot be looked up, tasks go on without: %s", error)
            return None

    def _look_again(self, store: Notices) -> None:
        """Have a thread ask a result store that is away, one at a time."""
        running = self._looking is not None and self._looking.is_alive()
        if not running and time.monotonic() >= self._not_before:
            self._looking = threading.Thread(target=self._ask_aside, args=(store,), name="kernelq-notes", daemon=True)
            self._looking.start()

    def _ask_aside(self, store: Notices) -> None:
        try:
            store.kinds()
        except Unreachable:
            self._not_before = time.monotonic() + AGAIN
        else:
            self.stale()
            self._away = False


def _groups(headers: Any) -> Iterable[str]:
    group = headers.get("group")
    return (group,) if isinstance(group, str) else ()


def stamps(headers: Any) -> Iterable[str]:
    """Yield the names of a message's stamps (celery/worker/request.py, ``revoked``)."""
    values = headers.get("stamps")
    named = headers.get("stamped_headers")
    if not isinstance(values, dict) or not isinstance(named, list | tuple):
        return
    for header in named:
        if isinstance(header, str) and header in values:
            value = values[header]
            for one in value if isinstance(value, list | tuple) else (value,):
                yield stamp_name(header, one)
