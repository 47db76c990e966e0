"""The supervisor's end of a host's connection: frames out, frames in, and never a wait."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kernelq_worker.hosts import wire

if TYPE_CHECKING:
    from kernelq.handles import Loop

SOCKET_BUFFER = 1 << 20


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new connection, with room for large frames."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    return ends


class Channel:
    """Sends and reads without waiting; what the socket cannot take is sent when it can."""

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._unsent = bytearray()
        self._splitter = wire.Splitter()
        self._buffer = memoryview(bytearray(wire.READ_SIZE))
        self._garbled = False
        self._closed = False
        sock.setblocking(False)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._sock.fileno()

    def watch(self, callback: Callable[..., None], *args: Any) -> None:
        """Call back when something can be read."""
        self._loop.add_reader(self._sock.fileno(), callback, *args)

    def send(self, frame: bytes) -> None:
        """Send a frame now, or behind what waits. Where nobody hears any more it is dropped."""
        if self._closed:
            return
        if self._unsent:
            self._unsent += frame
            return
        try:
            sent = self._sock.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the host has ended; its jobs are lost when the process is reaped
        if sent < len(frame):
            self._unsent += memoryview(frame)[sent:]
            self._loop.add_writer(self._sock.fileno(), self._send_rest)

    def _send_rest(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()
            sent = 0
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._sock.fileno())

    def read(self) -> tuple[list[memoryview], bool]:
        """Return the bodies of frames that have come, valid until the next call, and whether the connection has ended.

        Raises `wire.FrameError`.
        """
        try:
            got = self._sock.recv_into(self._buffer)
        except BlockingIOError:
            return [], False
        except OSError:
            return [], True
        if not got:
            return [], True
        return list(self._splitter.feed(self._buffer[:got])), False

    def rest(self) -> Iterator[memoryview]:
        """Yield what an ended host had still sent. Raises `wire.FrameError`."""
        while not self._garbled:
            try:
                data = self._sock.recv(wire.READ_SIZE)
            except OSError:  # nothing more, or reset
                return
            if not data:
                return
            yield from self._splitter.feed(data)

    def deaf(self, *, garbled: bool = False) -> None:
        """Read no more: the connection has ended, or carries what cannot be understood."""
        self._garbled = self._garbled or garbled
        self._loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        """Free the descriptor. May be called twice."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()

    def close_after_fork(self) -> None:
        """Close the descriptor in a forked child; the parent's loop is not touched."""
        self._sock.close()
