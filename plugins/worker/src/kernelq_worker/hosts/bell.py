"""A descriptor that is readable while something is there to be fetched."""

from __future__ import annotations

import os
from contextlib import suppress


class Bell:
    """Rung by one thread, heard by the event loop of another. Neither ever waits."""

    __slots__ = ("_size", "_writer", "fd")

    def __init__(self) -> None:
        if hasattr(os, "eventfd"):
            self.fd = self._writer = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._size = 8
        else:
            self.fd, self._writer = os.pipe()
            os.set_blocking(self.fd, False)
            os.set_blocking(self._writer, False)
            self._size = 1 << 16  # all that a pipe holds

    def ring(self) -> None:
        """Make the descriptor readable."""
        with suppress(BlockingIOError):  # it is already
            _write(self._writer, _ONE)

    def hush(self) -> None:
        """Make it unreadable. Do it before the look at what is there, never after."""
        with suppress(BlockingIOError):
            _read(self.fd, self._size)

    def close(self) -> None:
        """Free the descriptors."""
        for fd in {self.fd, self._writer}:
            os.close(fd)


_ONE = (1).to_bytes(8, "little")
_read, _write = os.read, os.write  # the interpreter's own, whatever replaces them later
