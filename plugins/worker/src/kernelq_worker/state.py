"""What the worker remembers across connections."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import islice, takewhile
from typing import Any, Protocol

MOST_REVOKED = 50_000
"""Revoked ids that are remembered; beyond, the oldest are dropped (Celery's bound)."""


class Memo(Protocol):
    """Where revokes are written down, so that they outlive the worker."""

    def write(self, revoked: Mapping[str, float], forgotten: Iterable[str]) -> None:
        """Keep ids with the time of their revoke (epoch seconds), and no longer those that are forgotten."""


class Limits(dict[str, Any]):
    """Limits by task name; `changes` counts the writes, so that what was compiled from them is compiled anew."""

    changes = 0

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self.changes += 1


class State:
    """The worker's memory; see `kernelq.keys.WorkerState`.

    At most `most` revoked ids are remembered, and none for longer than `expires` seconds (None: no matter how long).
    """

    def __init__(self, most: int = MOST_REVOKED, expires: float | None = None, memo: Memo | None = None) -> None:
        self.totals: dict[str, int] = {}
        self.revoked: dict[str, float] = {}
        self.rate_limits: dict[str, str] = (rates := Limits())
        self.time_limits: dict[str, tuple[float | None, float | None]] = (times := Limits())
        self._rates, self._times = rates, times
        self._recompiled = 0
        self._most, self._expires, self._memo = most, expires, memo

    @property
    def changes(self) -> int:
        """How often limits were set by command, or strategies were to be compiled anew."""
        return self._rates.changes + self._times.changes + self._recompiled

    def recompile(self) -> None:
        """Have strategies compiled anew, since tasks or settings that they were compiled from have changed."""
        self._recompiled += 1

    def revoke(self, task_ids: Iterable[str]) -> None:
        """Remember ids as revoked; they are written down, where that is wanted, when it returns."""
        now = time.time()
        fresh = dict.fromkeys(task_ids, now)
        for task_id in fresh:
            self.revoked.pop(task_id, None)  # to the end: the dict is in the order of time
        self.revoked.update(fresh)
        self._write(fresh, self._drop(now))

    def recall(self, revoked: Mapping[str, float]) -> None:
        """Take what was written down before, oldest first; what is too old, or too much, is forgotten there too."""
        self.revoked = {**revoked, **self.revoked}
        self._write({}, self._drop(time.time()))

    def expire(self) -> None:
        """Forget what is too old."""
        self._write({}, self._drop(time.time()))

    def _drop(self, now: float) -> list[str]:
        revoked = self.revoked
        gone = list(islice(revoked, max(len(revoked) - self._most, 0)))
        if self._expires is not None:
            since = now - self._expires
            rest = islice(revoked.items(), len(gone), None)
            gone += [task_id for task_id, _ in takewhile(lambda one: one[1] < since, rest)]
        for task_id in gone:
            del revoked[task_id]
        return gone

    def _write(self, fresh: Mapping[str, float], gone: list[str]) -> None:
        if self._memo is not None and (fresh or gone):
            self._memo.write(fresh, gone)
