"""The writer lock: one flock that every write transaction and every checkpoint holds."""

from __future__ import annotations

import fcntl
import os
import time

_LONGEST_NAP = 0.001


class WriterLock:
    """An exclusive flock on a file, with a deadline. Not thread-safe: its store's own lock is held around it.

    It stands around SQLite's lock because a checkpoint that meets a writer quietly copies less than it was asked to,
    and because SQLite's wait for a busy writer grows to 100 ms steps.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, timeout: float) -> bool:
        """Take the lock within `timeout` seconds, or return False."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait(time.monotonic() + timeout)
        return True

    def _wait(self, deadline: float) -> bool:
        nap = 0.00005
        while time.monotonic() < deadline:
            time.sleep(nap)
            nap = min(nap * 1.5, _LONGEST_NAP)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return True
        return False

    def release(self) -> None:
        """Give the lock back."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the descriptor; in a forked child this leaves the parent's lock alone."""
        os.close(self._fd)
