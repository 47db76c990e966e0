"""Notices in the memory of one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence


class MemoryNotices:
    """See the contract `kernelq.notices.Notices`. They live as long as the broker or the store that made this."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[tuple[str, str], float] = {}

    def put(self, kind: str, names: Sequence[str], seconds: float | None = None) -> None:
        """Keep notices."""
        ends = float("inf") if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._ends.update({(kind, name): ends for name in names})

    def find(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return those of which there is a notice."""
        now = time.monotonic()
        with self._lock:
            return {name for name in names if self._ends.get((kind, name), now) > now}

    def remove(self, kind: str, names: Sequence[str]) -> int:
        """Take notices away."""
        found = self.find(kind, names)
        with self._lock:
            for name in found:
                self._ends.pop((kind, name), None)
        return len(found)

    def kinds(self) -> frozenset[str]:
        """Return the kinds of which there is any notice."""
        return frozenset(kind for kind, _ in self._live())

    def names(self, kind: str, limit: int = 1000) -> list[str]:
        """Return the names of a kind, at most `limit`."""
        return sorted(name for one, name in self._live() if one == kind)[:limit]

    def close(self) -> None:
        """Do nothing: what is kept is kept here."""

    def _live(self) -> list[tuple[str, str]]:
        now = time.monotonic()
        with self._lock:
            self._ends = {key: ends for key, ends in self._ends.items() if ends > now}
            return list(self._ends)
