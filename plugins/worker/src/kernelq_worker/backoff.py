"""The pause between two attempts to reach a server that is away."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from kernelq.kernel.errors import ConfigurationError, Unreachable

if TYPE_CHECKING:
    from kernelq.handles import Loop

log = logging.getLogger("kernelq.worker")

AWAY = (Unreachable, ConfigurationError)
"""Errors that are of the server, so of every ending alike: all of them wait. Any other is of one ending of the batch,
which is found by trying each alone."""

FIRST_DELAY = 0.1
LONGEST_DELAY = 2.0
"""Seconds between attempts to publish or to store, while broker or store are away."""


class Backoff:
    """The waiting of one stage while its server is away. `loop` turns when it is over, and its turn tries again."""

    def __init__(self, loop: Loop, what: str) -> None:
        self._loop = loop
        self._what = what
        self._failures = 0
        self.until = 0.0
        """Monotonic seconds before which the stage is not tried."""

    def failed(self, error: Exception, waiting: int) -> float:
        """Note a failure, with how many wait; return the seconds until the next attempt."""
        delay = min(FIRST_DELAY * 2.0 ** min(self._failures, 10), LONGEST_DELAY)
        self._failures += 1
        self.until = time.monotonic() + delay
        log.warning("cannot %s (%s); %d wait, next try in %.1f seconds", self._what, error, waiting, delay)
        self._loop.call_later(delay, _wake)
        return delay

    def succeeded(self) -> None:
        """Note that the server answers."""
        if self._failures:
            log.warning("can %s again", self._what)
        self._failures = 0
        self.until = 0.0


def _wake() -> None:
    """Make the loop turn; its turn flushes."""
