"""Who has died, by two clocks that must agree: the observer's own, and the server's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from kernelq_redis import consumer_id

DEAD = b"d"
"""Before the time at which a consumer was found dead."""
REMEMBERED = 60.0
"""Seconds for which a dead consumer is known: what it had sent may be carried out after it was found dead."""
_SWEEP_EVERY = 5.0
_LOOKS = 2
"""Looks in a row at which the process of a consumer must be gone, where that can be seen."""


class Watch:
    """Looks at the renewals of others. A jump of one clock alone ends no lease."""

    def __init__(self, lease: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[bytes, float]] = {}
        self._gone: dict[str, int] = {}
        self._swept: dict[tuple[str, str], float] = {}
        self._looked = 0.0

    def look(self, now: float, found: Mapping[str, Mapping[str, bytes]]) -> list[tuple[str, str, bytes, bool]]:
        """Return queue, consumer, renewal, and whether to forget it, of those that are dead.

        `found` are the renewals of consumers by queue, `now` is the server's time, in seconds since the epoch.
        """
        moment = self._clock()
        if moment - self._looked > max(self._lease / 2, 3.0):
            self._seen.clear()  # nobody has looked for long: stopped, or cut off; let all of them renew first
        self._looked = moment
        present = {(queue, name) for queue, names in found.items() for name in names}
        self._seen = {key: value for key, value in self._seen.items() if key in present}
        self._swept = {key: value for key, value in self._swept.items() if key in present}
        self._note_gone({name for _, name in present})
        dead = []
        for queue, names in found.items():
            for name, renewal in names.items():
                if renewal.startswith(DEAD):
                    if moment - self._swept.get((queue, name), 0.0) > _SWEEP_EVERY:
                        self._swept[queue, name] = moment
                        dead.append((queue, name, renewal, now - _seconds(renewal[1:]) > REMEMBERED))
                elif self._ended(queue, name, renewal, now, moment):
                    dead.append((queue, name, renewal, False))
        return dead

    def _note_gone(self, names: set[str]) -> None:
        self._gone = {name: self._gone.get(name, 0) + 1 for name in names if consumer_id.died(name)}

    def _ended(self, queue: str, name: str, renewal: bytes, now: float, moment: float) -> bool:
        if self._gone.get(name, 0) >= _LOOKS:
            return True
        known, since = self._seen.get((queue, name), (b"", 0.0))
        if known != renewal:
            self._seen[queue, name] = renewal, moment
            return False
        return moment - since > self._lease and now - _seconds(renewal) > self._lease


def _seconds(renewal: bytes) -> float:
    try:
        return float(renewal)
    except ValueError:
        return 0.0
