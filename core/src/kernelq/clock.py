"""The app's logical clock (Lamport): which of two messages came later, whatever the time of day says."""

from __future__ import annotations

import threading
from typing import Any

from kombu.clocks import LamportClock

GREATEST = 2**53
"""Beyond, a number is no clock: it would not survive JSON everywhere, and would spread to every node."""


class Clock(LamportClock):
    """kombu's clock, which commands, replies and events carry; thread-safe.

    `forward` before something is sent; `adjust` to the number that came with a message.
    """

    def adjust(self, other: Any) -> int:
        """Move beyond `other`; what is no clock (text, None, absurdly great) moves it by one. Return the new value."""
        known = isinstance(other, int) and 0 <= other <= GREATEST
        return super().adjust(other if known else 0)

    def renew(self) -> None:
        """Take a lock that nobody holds: in the child of a fork, where another thread may have held the old one."""
        self.mutex = threading.Lock()
