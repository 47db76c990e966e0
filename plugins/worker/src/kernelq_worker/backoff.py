"""The pause between two attempts to reach a server that is away."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("kernelq.worker")

FIRST_DELAY = 0.1
LONGEST_DELAY = 2.0
"""Seconds between attempts to publish or to store, while broker or store are away."""


class Backoff:
    """The waiting of one stage while its server is away."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._failures = 0
        self.until = 0.0
        """Monotonic seconds before which the stage is not tried."""

    def failed(self, error: Exception, waiting: int) -> float:
        """Note a failure; return the seconds until the next attempt."""
        delay = min(FIRST_DELAY * 2.0 ** min(self._failures, 10), LONGEST_DELAY)
        self._failures += 1
        self.until = time.monotonic() + delay
        log.warning("cannot %s (%s); %d wait, next try in %.1f seconds", self._what, error, waiting, delay)
        return delay

    def succeeded(self) -> None:
        """Note that the server answers."""
        if self._failures:
            log.warning("can %s again", self._what)
        self._failures = 0
        self.until = 0.0
