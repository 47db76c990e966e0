"""A connection that never blocks the loop: commands go out in one write, answers are matched in order."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLWantReadError, SSLWantWriteError
from typing import TYPE_CHECKING, Any

import hiredis

from kernelq.kernel.errors import BrokerLost
from kernelq_redis.dial import unreachable
from kernelq_redis.scripts import ALL, LOAD

if TYPE_CHECKING:
    from kernelq.handles import Loop
    from kernelq_redis.location import Location
    from kernelq_redis.wire import Wire

SILENCE = 10.0
"""Seconds without an answer after which a connection counts as lost."""
_RESET = struct.pack("ii", 1, 0)
_NOT_NOW = (BlockingIOError, SSLWantReadError, SSLWantWriteError)

OnReply = Callable[[Any], None]


class Link:
    """Drives the socket of a `Wire` from a loop. Everything raises `BrokerLost`, after which it is of no further use.

    It reads up to `at_once` bytes in one go. An answer that refuses a command is a lost connection too: none of ours is
    refused by a server that can be used.
    """

    def __init__(self, wire: Wire, location: Location, loop: Loop, at_once: int = 1 << 18) -> None:
        self._wire = wire
        self._location = location
        self._loop = loop
        self._socket: Any = wire.sock
        self._reader = hiredis.Reader()
        self._buffer = bytearray(at_once)
        self._out = bytearray()
        self._waiting: deque[tuple[float, bytes, OnReply, bool]] = deque()
        self._writing = False
        self._socket.setblocking(False)
        loop.add_reader(self._socket.fileno(), self._readable)

    # -- sending

    def send(self, packed: bytes, on_reply: OnReply, refusable: bool = False) -> None:
        """Queue a command for the next `flush`; `on_reply` gets its answer, with `refusable` also a refusal."""
        self._waiting.append((time.monotonic(), packed, on_reply, refusable))
        self._out += packed

    def flush(self) -> None:
        """Write what the socket takes; the rest when it takes more."""
        while self._out and not self._writing and self._socket is not None:
            try:
                del self._out[: self._socket.send(self._out)]
            except _NOT_NOW:
                self._writing = True
                self._loop.add_writer(self._socket.fileno(), self._writable)
            except OSError as error:
                raise self.lost(error) from error

    def flush_fully(self, seconds: float = SILENCE) -> None:
        """Return when all is with the kernel, so that it arrives even if this process is killed."""
        ends = time.monotonic() + seconds
        self.flush()
        while self._out:
            if time.monotonic() > ends or self._socket is None:
                raise self.lost("it takes no more data")
            select.select((), (self._socket,), (), 0.1)
            self._writable()

    def _writable(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket.fileno())
        self.flush()

    # -- receiving

    def _readable(self, *_: object) -> None:
        while self._socket is not None:  # a callback may abort this link
            try:
                got = self._socket.recv_into(self._buffer)
            except _NOT_NOW:
                return
            except OSError as error:
                raise self.lost(error) from error
            if not got:
                raise self.lost("it closed the connection")
            self._reader.feed(self._buffer, 0, got)  # type: ignore[arg-type]  # any buffer, whatever its types say
            self._answer()
            if got < len(self._buffer) and not getattr(self._socket, "pending", int)():
                return

    def _answer(self) -> None:
        gets, waiting = self._reader.gets, self._waiting
        while self._socket is not None:
            try:
                answer = gets()
            except hiredis.ProtocolError as error:
                raise self.lost(error) from error
            if answer is False:
                return
            if not waiting:
                raise self.lost("it answered what was not asked")
            _, packed, on_reply, refusable = waiting.popleft()
            if isinstance(answer, hiredis.ReplyError) and not refusable:
                if not str(answer).startswith("NOSCRIPT"):
                    raise self.lost(answer)
                self._load_and_send(packed, on_reply)
            else:
                on_reply(answer)

    def _load_and_send(self, packed: bytes, on_reply: OnReply) -> None:
        """Have the server know the scripts that it has forgotten, and send the command again."""
        self.send(LOAD, _nothing)
        for _ in ALL[1:]:
            self.send(b"", _nothing)
        self.send(packed, on_reply)
        self.flush()

    # -- the end

    def check(self) -> None:
        """Raise `BrokerLost` where an answer is due for too long."""
        if self._waiting and time.monotonic() - self._waiting[0][0] > SILENCE:
            raise self.lost(f"no answer for {SILENCE:g} seconds")

    def lost(self, why: object) -> BrokerLost:
        """Return the error that tells why, and abort."""
        self.abort()
        return broker_lost(self._location, why if isinstance(why, BaseException) else OSError(why))

    @property
    def usable(self) -> bool:
        """Whether it has not been lost, nor closed."""
        return self._socket is not None

    def wait(self, seconds: float) -> None:
        """Return when every answer is there; the loop turns for nobody meanwhile. For the end of a lane."""
        ends = time.monotonic() + seconds
        while self._waiting:
            left = ends - time.monotonic()
            if left <= 0:
                raise self.lost(f"no answer for {seconds:g} seconds")
            self.flush_fully(left)  # an answer may have led to a further command
            select.select((self._socket,), (), (), left)
            self._readable()

    def abort(self) -> None:
        """Close at once, without a farewell: what is suspect may never take one. May be called twice."""
        sock, self._socket = self._socket, None
        if sock is None:
            return
        self._loop.remove_reader(sock.fileno())
        self._loop.remove_writer(sock.fileno())
        self._waiting.clear()
        self._out.clear()
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with suppress(OSError):
            sock.close()
        self._wire.close()


def broker_lost(location: Location, error: BaseException) -> BrokerLost:
    """Return the error that tells the worker to connect anew."""
    found = unreachable(BrokerLost, location, error)
    assert isinstance(found, BrokerLost)
    return found


def _nothing(_: Any) -> None:
    """Take an answer that tells nothing."""
