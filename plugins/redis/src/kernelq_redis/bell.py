"""What wakes a thread that waits for its connection."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class Bell:
    """Rung from any thread, heard by one."""

    def __init__(self) -> None:
        self._heard, self._rope = socket.socketpair()
        self._heard.setblocking(False)
        self._rope.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that can be read once the bell is rung."""
        return self._heard.fileno()

    def ring(self) -> None:
        """Wake the listener; a bell that rings already rings on."""
        with suppress(OSError):
            self._rope.send(b"!")

    def silence(self) -> None:
        """Take in all that was rung."""
        with suppress(OSError):
            while self._heard.recv(4096):
                pass

    def wait(self, seconds: float, other: int = -1) -> bool:
        """Sleep until the bell rings, descriptor `other` can be read, or `seconds`; return whether `other` can."""
        poller = select.poll()
        poller.register(self._heard, select.POLLIN)
        if other >= 0:
            poller.register(other, select.POLLIN)
        found = dict(poller.poll(seconds * 1000))
        if self._heard.fileno() in found:
            self.silence()
        return other in found

    def close(self) -> None:
        """Free the descriptors."""
        self._heard.close()
        self._rope.close()
