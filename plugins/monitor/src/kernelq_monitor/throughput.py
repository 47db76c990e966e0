"""How much happens: events by type, a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise

SPAN = 60
"""Samples that are kept, one a second."""
WINDOW = 5
"""Samples that a rate is the mean of."""


class Throughput:
    """Samples of counters that only grow."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, dict[str, int]]] = deque(maxlen=SPAN + 1)

    def add(self, at: float, counts: Mapping[str, int]) -> None:
        """Note the counters at a moment, in monotonic seconds."""
        self._samples.append((at, dict(counts)))

    def rate(self, *types: str) -> float:
        """Return how many events of these types came a second, of late; of all types where none is named."""
        recent = list(self._samples)[-WINDOW - 1 :]
        return _rates(recent[:1] + recent[-1:], types)[-1] if len(recent) > 1 else 0.0

    def history(self, *types: str) -> list[float]:
        """Return the same for each second of the last minute, oldest first; zeros where nobody watched yet."""
        known = _rates(list(self._samples), types)
        return [0.0] * (SPAN - len(known)) + known


def _rates(samples: list[tuple[float, dict[str, int]]], types: tuple[str, ...]) -> list[float]:
    def total(counts: dict[str, int]) -> int:
        return sum(counts.values()) if not types else sum(counts.get(one, 0) for one in types)

    pairs = pairwise(samples)
    return [(total(after) - total(before)) / max(now - then, 1e-9) for (then, before), (now, after) in pairs]
