"""Rate limits: so many starts in a time, evenly spaced."""

from __future__ import annotations

MOST_RESERVED = 1000
"""Messages with a reserved turn; those beyond come again after the last of these, so that memory stays small."""

FORGOTTEN_AFTER = 60.0
"""Seconds after its turn at which a reservation is dropped: another worker has taken the message."""


class Turns:
    """Gives each message its turn, `rate` a second; seconds are those of the epoch."""

    def __init__(self, rate: float) -> None:
        self._interval = 1.0 / rate
        self._next = 0.0
        self._reserved: dict[str, float] = {}

    def ask(self, task_id: str, now: float) -> float:
        """Return 0 where the task may start now, else the time at which to ask again."""
        turn = self._reserved.get(task_id)
        if turn is not None:
            if now + self._interval / 10 < turn:
                return turn
            del self._reserved[task_id]
            return 0.0
        if now >= self._next:
            self._next = now + self._interval
            return 0.0
        return self._reserve(task_id, now)

    def _reserve(self, task_id: str, now: float) -> float:
        if len(self._reserved) >= MOST_RESERVED:
            self._forget(now)
        if len(self._reserved) >= MOST_RESERVED:
            return self._next + self._interval
        turn = self._next
        self._reserved[task_id] = turn
        self._next += self._interval
        return turn

    def _forget(self, now: float) -> None:
        gone = [task_id for task_id, turn in self._reserved.items() if turn + FORGOTTEN_AFTER < now]
        for task_id in gone:
            del self._reserved[task_id]
