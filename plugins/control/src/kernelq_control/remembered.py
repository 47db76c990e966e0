"""Notices that only this worker remembers: where neither broker nor result store keeps any."""

from __future__ import annotations

import time
from collections.abc import Sequence

MOST = 10_000
"""Notices; beyond, the oldest are forgotten."""


class Remembered:
    """See the contract `kernelq.notices.Notices`, of which this has what a worker asks."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], float] = {}

    def put(self, kind: str, names: Sequence[str], seconds: float | None = None) -> None:
        """Remember notices."""
        ends = float("inf") if seconds is None else time.monotonic() + seconds
        for name in names:
            self._ends.pop((kind, name), None)
            self._ends[kind, name] = ends
        while len(self._ends) > MOST:
            del self._ends[next(iter(self._ends))]

    def find(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return those of which there is a notice."""
        now = time.monotonic()
        return {name for name in names if self._ends.get((kind, name), now) > now}

    def remove(self, kind: str, names: Sequence[str]) -> int:
        """Forget notices."""
        return sum(self._ends.pop((kind, name), None) is not None for name in names)

    def kinds(self) -> frozenset[str]:
        """Return the kinds of which there is any notice."""
        now = time.monotonic()
        return frozenset(kind for (kind, _), ends in self._ends.items() if ends > now)

    def names(self, kind: str, limit: int = 1000) -> list[str]:
        """Return the names of a kind, at most `limit`."""
        now = time.monotonic()
        return sorted(name for (one, name), ends in self._ends.items() if one == kind and ends > now)[:limit]

    def close(self) -> None:
        """Do nothing."""
