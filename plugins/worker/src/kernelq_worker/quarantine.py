"""Redelivered tasks that run at the same time in one worker: which of them may, so that none is buried for another."""

from __future__ import annotations

import time

ALONE = 20.0
"""Seconds; what kills its worker has mostly done so by then, and what does not is waited for no longer."""


class Quarantine:
    """Keeps apart those whose next loss would bury them.

    A task that takes its whole worker with it takes what runs in the other hosts too. Where two redelivered tasks began
    together each time, both would be counted each time, and the innocent one be buried with the other. So a task in its
    last delivery begins when no other redelivered task has just begun, and for a while none begins beside it: whichever
    of them it was, it dies without company once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: dict[int, tuple[float, bool]] = {}
        self._ended: list[int] = []
        self.until = 0.0
        """Monotonic seconds when those that were refused may be asked for again, if nothing ends before; 0: nobody."""

    def __bool__(self) -> bool:
        return bool(self._begun)

    def may_begin(self, job_id: int, deliveries: int) -> bool:
        """Tell whether a redelivered task may begin now; it may have begun before, in a host that gave it back."""
        last, now = deliveries >= self._most, time.monotonic()
        others = [begun for other, begun in self._begun.items() if other != job_id]
        near = [began for began, other_is_last in others if began + ALONE > now and (last or other_is_last)]
        self.until = max(near) + ALONE if near else 0.0
        return not near

    def begin(self, job_id: int, deliveries: int) -> None:
        """Note that it begins."""
        self._begun[job_id] = time.monotonic(), deliveries >= self._most

    def end(self, job_id: int) -> None:
        """Note that a task has ended, if it was one of these; until that is settled it would still be counted."""
        if job_id in self._begun:
            self._ended.append(job_id)

    def settled(self) -> bool:
        """Note that everything that has ended is settled; return whether one that was refused may be asked for now."""
        ended, self._ended = self._ended, []
        for job_id in ended:
            self._begun.pop(job_id, None)
        return bool(ended and self.until)
