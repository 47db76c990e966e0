"""Events that wait to be published."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

MOST = 50_000
"""Events that are kept while the broker is away: about 20 MB; a minute of some 300 tasks a second."""


class Backlog:
    """Keeps events in order, by the key they go out under; beyond `most` the oldest are dropped, and counted.

    Thread-safe.
    """

    def __init__(self, most: int = MOST) -> None:
        self.dropped = 0
        """Events that were given up."""
        self.added = 0
        """Events that have come."""
        self._most = most
        self._chunks: deque[tuple[str, list[Any]]] = deque()
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, key: str, events: list[Any]) -> None:
        """Append events; the list is kept as it is."""
        with self._lock:
            self._chunks.append((key, events))
            self.added += len(events)
            self._count += len(events)
            if self._count > self._most:
                self._shorten()

    def take(self, most: int) -> tuple[str, list[Any]] | None:
        """Remove and return the oldest events, with their key: those that may go out together, at most `most`."""
        with self._lock:
            if not self._chunks:
                return None
            key, first = self._chunks.popleft()
            events, fits = list(first), most if is_list(key) else 1
            while len(events) < fits and self._chunks and self._chunks[0][0] == key:
                events += self._chunks.popleft()[1]
            if len(events) > fits:
                self._chunks.appendleft((key, events[fits:]))
                events = events[:fits]
            self._count -= len(events)
            return key, events

    def restore(self, key: str, events: list[Any]) -> None:
        """Put back what was taken and could not be published; it is the oldest."""
        with self._lock:
            self._chunks.appendleft((key, events))
            self._count += len(events)
            if self._count > self._most:
                self._shorten()

    def drop(self, count: int) -> None:
        """Count events that were taken and are given up."""
        with self._lock:
            self.dropped += count

    def clear(self) -> None:
        """Give up everything that waits."""
        with self._lock:
            self.dropped += self._count
            self._chunks.clear()
            self._count = 0

    def _shorten(self) -> None:
        while self._count > self._most:
            key, events = self._chunks.popleft()
            over = min(self._count - self._most, len(events))
            self._count -= over
            self.dropped += over
            if over < len(events):
                self._chunks.appendleft((key, events[over:]))


def is_list(key: str) -> bool:
    """Tell whether what goes out under `key` is a list of events."""
    return key.endswith(".multi")
