"""A py-amqp connection that is read and written in bulk and never blocks an event loop."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable
from struct import Struct
from typing import Any

import amqp
from amqp import spec
from amqp.exceptions import ConnectionForced, UnexpectedFrame
from amqp.method_framing import frame_writer

METHOD, HEADER, BODY = 1, 2, 3
"""Types of frames (AMQP 0-9-1, 4.2.3)."""
END = 206
DELIVER = Struct(">HH").pack(*spec.Basic.Deliver)
ACK = Struct(">HH").pack(*spec.Basic.Ack)
CHUNK = 64 * 1024
"""Bytes read at a time. For one of 128 KiB or more glibc would map memory at each read, and unmap it."""
LONG = 16 * 1024
"""Bytes of a long read: a TLS record, of which one is read at a time, has no more."""
MOST_UNSENT = 64 * 1024 * 1024
"""Bytes that may wait to be written; a broker that takes none of so many is lost."""
MISSED = 2
"""So many heartbeats may be missed."""

_NO_LINGER = Struct("ii").pack(1, 0)
_FRAME = Struct(">BHI")
_END = bytes((END,))
_TAG = Struct(">QB")
_SIZE = Struct(">Q")

OnDeliver = Callable[[str, int, bool, bytes, bytes, bytes], None]
"""Called with consumer tag, delivery tag, whether it is redelivered, exchange with routing key as two short strings,
the content header without its first twelve bytes, and the body."""


class Channel(amqp.Channel):  # type: ignore[misc]  # py-amqp has no types
    """A channel that stays closed when the broker closes it; `on_deliver` takes deliveries past py-amqp's decoding."""

    on_deliver: OnDeliver | None = None
    on_ack: Callable[[int, bool], None] | None = None
    """Called, likewise, with the number of a confirmed message and whether all before it are confirmed too."""
    on_cancelled: Callable[[str], None] | None = None
    """Called with the tag of a consumer that the broker has cancelled, since its queue is gone."""

    def _do_revive(self) -> None:
        self.collect()

    def _on_basic_cancel(self, consumer_tag: str) -> None:
        if self.on_cancelled is None:
            super()._on_basic_cancel(consumer_tag)
        else:
            self.on_cancelled(consumer_tag)


class Link(amqp.Connection):  # type: ignore[misc]  # py-amqp has no types
    """A connection whose socket does not block.

    What is sent is collected until `flush`, or until someone waits for an answer. Methods that wait do so for
    `patience` seconds at most and raise TimeoutError then. Deliveries of channels with `on_deliver` are cut out of the
    stream here, at half of py-amqp's cost; all the rest of the protocol is py-amqp's.
    """

    Channel = Channel

    def __init__(self, patience: float, **options: Any) -> None:
        self.patience = patience
        self.blocked_since: float | None = None
        """Monotonic seconds since which the broker takes no publishing; None while it does."""
        self.lost = False
        """Whether another connection has found the broker lost: nothing is read, written or waited for any more."""
        self.full = False
        """Whether the last read was a long one, so that there may be more."""
        self._unread = b""
        self._at = 0
        self._unsent = bytearray()
        self._parts: dict[int, list[Any]] = {}
        self._read_at = self._wrote_at = time.monotonic()
        super().__init__(
            connect_timeout=patience,
            frame_writer=self._make_writer,
            on_blocked=self._block,
            on_unblocked=self._unblock,
            **options,
        )

    # -- reading ------------------------------------------------------------------------------------------------------

    def receive(self) -> bool:
        """Read what has come, at most `CHUNK` bytes, and dispatch it; return whether a method came.

        Raises OSError where the connection is gone, amqp's errors where the broker closes it or a channel.
        """
        sock = self._sock()
        try:
            data = sock.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.full = False
            return self._dispatch()
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        self._read_at = time.monotonic()
        self.full = len(data) >= LONG
        self._unread = self._unread[self._at :] + data if self._at < len(self._unread) else data
        self._at = 0
        came = self._dispatch()
        if self._has_more(sock):
            came = self.receive() or came
        return came

    @property
    def silence(self) -> float:
        """Seconds since something came."""
        return time.monotonic() - self._read_at

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait until a method has come and was dispatched; raises TimeoutError after `timeout` seconds."""
        seconds = self.patience if timeout is None else timeout
        until = time.monotonic() + seconds
        self.flush()
        came = self._dispatch()
        while not came:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the broker did not answer within {seconds:g} s")
            self._await(left)
            came = self.receive()
            self.flush()

    def _dispatch(self) -> bool:
        """Dispatch the complete frames there are. It may be entered again from a callback that waits."""
        came = False
        while True:
            unread, at = self._unread, self._at
            if len(unread) - at < 8:
                return came
            kind, number, size = _FRAME.unpack_from(unread, at)
            end = at + 7 + size
            if len(unread) <= end:
                return came
            if unread[end] != END:
                raise UnexpectedFrame(f"a frame ends with {unread[end]:#04x}, not with 0xce")
            self._at = end + 1
            payload = unread[at + 7 : end]
            method = payload[:4] if kind == METHOD else b""
            if method == DELIVER and self._is_fast(number):
                self._parts[number] = [payload]
            elif method == ACK and (on_ack := self._on_ack(number)) is not None:
                tag, multiple = _TAG.unpack_from(payload, 4)
                on_ack(tag, bool(multiple))
                came = True
            elif kind != METHOD and number in self._parts:
                came = self._part(kind, number, payload) or came
            else:
                came = bool(self.on_inbound_frame((kind, number, payload))) or came

    def _is_fast(self, number: int) -> bool:
        channel = self.channels.get(number)
        return channel is not None and channel.on_deliver is not None

    def _on_ack(self, number: int) -> Callable[[int, bool], None] | None:
        channel = self.channels.get(number)
        return None if channel is None else channel.on_ack

    def _part(self, kind: int, number: int, payload: bytes) -> bool:
        parts = self._parts[number]
        if kind == HEADER:
            left = _SIZE.unpack_from(payload, 4)[0]
            parts += (payload, left, [])
        else:
            parts[2] -= len(payload)
            parts[3].append(payload)
        if parts[2] > 0:
            return False
        del self._parts[number]
        method, header, _, chunks = parts
        at = 5 + method[4]
        tag, redelivered = _TAG.unpack_from(method, at)
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        channel = self.channels[number]
        channel.on_deliver(method[5:at].decode(), tag, bool(redelivered), method[at + 9 :], header[12:], body)
        return True

    # -- writing ------------------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """How many bytes wait to be written."""
        return len(self._unsent)

    def write(self, frame: bytes) -> None:
        """Send a frame that is ready."""
        self._unsent += frame

    def flush(self) -> bool:
        """Write what the socket takes; return whether nothing is left. Raises OSError."""
        unsent = self._unsent
        while unsent:
            try:
                count = self._sock().send(unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if len(unsent) > MOST_UNSENT:
                    raise ConnectionAbortedError(f"the broker reads nothing; {len(unsent)} bytes wait") from None
                return False
            self._wrote_at = time.monotonic()
            del unsent[:count]
        return True

    def flush_all(self, timeout: float) -> None:
        """Write everything; raises TimeoutError after `timeout` seconds."""
        until = time.monotonic() + timeout
        while not self.flush():
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the broker took nothing for {timeout} s")
            self._await(left)
            self.receive()

    def _make_writer(self, connection: Any, transport: Any) -> Any:
        transport.sock.settimeout(0)
        outer = self

        class Collecting:
            """What py-amqp's frame writer takes for its transport."""

            @staticmethod
            def write(frame: memoryview) -> None:
                outer._unsent += frame

        return frame_writer(connection, Collecting)

    def _await(self, seconds: float) -> None:
        poller = select.poll()
        sock = self._sock()
        poller.register(sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        poller.poll(max(seconds, 0.001) * 1000)

    # -- life ---------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Send a heartbeat where one is due; raises ConnectionForced where the broker has been silent too long.

        Call it at least every half of `heartbeat` seconds.
        """
        if not self.heartbeat:
            return
        self.receive()
        now = time.monotonic()
        if now - self._read_at > MISSED * self.heartbeat:
            raise ConnectionForced(f"the broker has been silent for {now - self._read_at:.0f} s")
        if now - self._wrote_at >= self.heartbeat / 2 - 0.1:
            self.send_heartbeat()
        self.flush()

    def part(self, seconds: float) -> None:
        """Close politely, within `seconds`; the broker has then seen all that was sent. Never raises."""
        self.patience = seconds
        with contextlib.suppress(OSError, amqp.exceptions.AMQPError):
            self.close()
        self.abort()

    def abort(self) -> None:
        """Drop the connection without a word, and without waiting."""
        sock = getattr(self._transport, "sock", None)
        if sock is not None:
            self._transport.sock = None
            self._transport.connected = False
            discard(sock)
        self.collect()

    def forget(self) -> None:
        """Close only the descriptor of a connection that was inherited by a fork."""
        sock = getattr(self._transport, "sock", None)
        if sock is not None:
            self._transport.sock = None
            self._transport.connected = False
            socket.socket(fileno=sock.detach()).close()

    def _sock(self) -> Any:
        sock = getattr(self._transport, "sock", None)
        if sock is None or self.lost:
            raise ConnectionResetError("the connection is closed")
        return sock

    @staticmethod
    def _has_more(sock: Any) -> bool:
        """Tell whether TLS has decrypted bytes that the descriptor does not tell of."""
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def _block(self, _reason: str) -> None:
        self.blocked_since = time.monotonic()

    def _unblock(self) -> None:
        self.blocked_since = None


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return a frame; `payload` is shorter than the connection's `frame_max` by at least 8 bytes."""
    return _FRAME.pack(kind, channel, len(payload)) + payload + _END


def short_strings(data: bytes) -> tuple[str, str]:
    """Decode two short strings that stand behind each other."""
    at = 1 + data[0]
    return data[1:at].decode("utf-8", "replace"), data[at + 1 : at + 1 + data[at]].decode("utf-8", "replace")


def discard(sock: Any) -> None:
    """Close a socket without a word, and without waiting."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    sock.close()
