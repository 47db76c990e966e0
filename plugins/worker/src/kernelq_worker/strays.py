"""Outcomes whose delivery may come a second time, because the lane it came by was lost before it was settled."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Delivery, Settlement, Verdict

if TYPE_CHECKING:
    from kernelq.outcome import Record

REMEMBERED = 120.0
"""Seconds; by then a lost lease has ended and the message has been delivered again, here or elsewhere."""

MOST = 100_000

Key = tuple[Any, Any]


class Strays:
    """Remembers how tasks ended whose delivery could not be settled, to settle their next delivery likewise."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._ended: dict[Key, tuple[float, Settlement, Record | None]] = {}

    def __bool__(self) -> bool:
        return bool(self._open or self._ended)

    def lost_lane(self, jobs: Iterable[int]) -> None:
        """Note the jobs, by id, that run while their lane is lost."""
        self._open.update(jobs)

    def ended(self, job_id: int, settlement: Settlement) -> None:
        """Remember the end of such a job."""
        if job_id in self._open:
            self._open.discard(job_id)
            self.unsettled(settlement)

    def unsettled(self, settlement: Settlement) -> None:
        """Remember a settlement that may not have reached the broker; what was to come again does so anyway."""
        if settlement.verdict is Verdict.REQUEUE and not settlement.counted:
            return
        now = time.monotonic()
        while self._ended:
            key = next(iter(self._ended))
            if len(self._ended) < MOST and self._ended[key][0] + REMEMBERED > now:
                break
            del self._ended[key]
        self._ended[_key(settlement.delivery)] = now, settlement, settlement.record

    def answer(self, delivery: Delivery) -> Settlement | None:
        """Return the settlement of a delivery whose task has ended here, or None."""
        known = self._ended.pop(_key(delivery), None)
        if known is None or known[0] + REMEMBERED < time.monotonic():
            return None
        settlement = known[1]
        counted = settlement.counted and delivery.deliveries <= settlement.delivery.deliveries  # else the broker has
        return Settlement(delivery, settlement.verdict, settlement.eta, settlement.reason, counted, settlement.record)


def _key(delivery: Delivery) -> Key:
    return delivery.headers.get("id"), delivery.headers.get("retries") or 0
