"""The policy: how many slots there should be, from what was seen. It knows no pool, no broker and no clock."""

from __future__ import annotations

from collections import deque

import attrs

PATIENCE = 2
"""Looks for which every slot must be busy, where nobody can tell what waits, before there is one more."""


@attrs.define
class Policy:
    """Grows at once to what is needed, and shrinks to what was needed at most for `keepalive` seconds.

    What is needed is a slot for each task that runs or waits. So a load that swings faster than `keepalive` lets the
    pool grow once and then stay: between a growth and the next shrinking there are always `keepalive` seconds.

    Where the broker cannot tell what waits, busy slots are all there is to see: when all were busy for a while there
    are half as many more, and afterwards one slot more is kept than was busy, for if that is taken too, there is more
    to do.
    """

    most: int
    least: int
    keepalive: float
    """Seconds."""
    _seen: deque[tuple[float, int]] = attrs.field(factory=deque, init=False)
    """(when, need) of the last `keepalive` seconds, falling needs only: the first is the highest."""
    _last: int | None = attrs.field(default=None, init=False)
    _full: int = attrs.field(default=0, init=False)

    def __call__(self, busy: int, waiting: int | None, concurrency: int, now: float) -> int:
        """Return how many slots there should be. `waiting` None: nobody can tell. `now`: monotonic seconds."""
        self._note(concurrency if self._last is None else self._last, now)  # that held until now
        self._last = need = min(self._need(busy, waiting, concurrency), self.most)
        self._note(need, now)
        if need > concurrency:
            return max(need, self.least)
        return (
            min(max(self._seen[0][1], self.least), concurrency, self.most) if concurrency >= self.least else self.least
        )

    def hold(self, concurrency: int, now: float) -> None:
        """Count `concurrency` slots as needed now: someone has asked for them."""
        self._last = concurrency
        self._note(concurrency, now)

    def _need(self, busy: int, waiting: int | None, concurrency: int) -> int:
        if waiting is not None:
            self._full = 0
            return busy + waiting
        self._full = self._full + 1 if busy >= concurrency else 0
        if self._full >= PATIENCE:
            self._full = 0
            return concurrency + max(concurrency // 2, 1)
        return min(busy + 1, concurrency) if busy else 0

    def _note(self, need: int, now: float) -> None:
        seen = self._seen
        while seen and seen[-1][1] <= need:
            seen.pop()
        seen.append((now, need))
        while now - seen[0][0] >= self.keepalive and len(seen) > 1:
            seen.popleft()
