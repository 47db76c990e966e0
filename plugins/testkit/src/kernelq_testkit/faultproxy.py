"""A TCP proxy between a client and a server that does to their connection what networks do."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

import attrs

CHUNK = 65536
MOST_HELD = 1 << 20
"""Bytes that a direction holds before it reads no more."""
RESETS = struct.pack("ii", 1, 0)
"""SO_LINGER that lets a close send RST."""


class Fault(Enum):
    """What happens to the bytes of one direction, or to connections."""

    NONE = "they are passed on"
    DELAY = "they are passed on `seconds` later"
    DROP = "they are read, and lost"
    FREEZE = "they are not read; sockets stay open: a network that has gone silent"
    CUT = "of the next piece the first half is passed on, then both sockets are closed"
    TRICKLE = "one byte is passed on every `seconds`"
    RESET = "connections are reset, also new ones"


class Way(Enum):
    """A direction."""

    TO_SERVER = "what the client sends"
    TO_CLIENT = "what the server sends"
    BOTH = "either"


@attrs.define(eq=False)
class _Pipe:
    """One direction of one connection."""

    source: socket.socket
    target: socket.socket
    way: Way
    held: deque[tuple[float, bytes]] = attrs.field(factory=deque)
    """Pieces with the monotonic seconds at which they are to go; an empty one is the end."""
    size: int = 0
    silent: bool = False
    ended: bool = False

    def hold(self, due: float, data: bytes) -> None:
        self.held.append((due, data))
        self.size += len(data)


@attrs.define(eq=False)
class _Order:
    fault: Fault = Fault.NONE
    seconds: float = 0.0


class FaultProxy:
    """Listens on `address` and connects each client to the server at `host`, `port`; what it does can change any time.

    It runs in a thread of its own from the start until `close`. ``with FaultProxy("127.0.0.1", 6379) as proxy`` closes
    it. Bytes that are held when a fault ends are passed on then; those that were dropped are lost.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()
        """Where clients connect to."""
        self.connections = 0
        """Clients that have connected so far."""
        self.passed = {Way.TO_SERVER: 0, Way.TO_CLIENT: 0}
        """Bytes passed on, by direction."""
        self._orders = {Way.TO_SERVER: _Order(), Way.TO_CLIENT: _Order()}
        self._pipes: list[_Pipe] = []
        self._wanted: deque[Callable[[], None]] = deque()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="kernelq-fault-proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port clients connect to."""
        return self.address[1]

    @property
    def open(self) -> int:
        """How many connections are open on both sides."""
        return len(self._pipes) // 2

    def set(self, fault: Fault, way: Way = Way.BOTH, seconds: float = 1.0) -> None:
        """Do `fault` from now on, to open connections and to new ones. RESET is always of both directions."""

        def do() -> None:
            for each in _ways(Way.BOTH if fault is Fault.RESET else way):
                self._orders[each] = _Order(fault, seconds)
            if fault is Fault.RESET:
                self._drop_all(reset=True)
            elif fault is Fault.NONE:
                for pipe in self._pipes:
                    pipe.held = deque((0.0, data) for _, data in pipe.held)

        self._do(do)

    def reset(self) -> None:
        """Reset the connections there are, once; new ones are served."""
        self._do(lambda: self._drop_all(reset=True))

    def silence(self) -> None:
        """Freeze the connections there are, for ever, as a router does that has forgotten them; new ones are served."""

        def do() -> None:
            for pipe in self._pipes:
                pipe.silent = True

        self._do(do)

    def close(self) -> None:
        """Close everything. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._bell.send(b"\0")
        self._thread.join()
        self._drop_all(reset=False)
        for each in (self._listener, self._bell, self._ear):
            each.close()

    def _do(self, what: Callable[[], None]) -> None:
        """Let the thread, which alone touches connections, do it; return when it is done."""
        done = threading.Event()

        def do() -> None:
            what()
            done.set()

        self._wanted.append(do)
        self._bell.send(b"\0")
        done.wait()

    # -- the thread

    def _run(self) -> None:
        while not self._closed:
            while self._wanted:
                self._wanted.popleft()()
            with selectors.PollSelector() as selector:
                selector.register(self._ear, selectors.EVENT_READ)
                selector.register(self._listener, selectors.EVENT_READ)
                found = selector.select(self._register(selector))
            for key, events in found:
                self._handle(key.fileobj, events)

    def _register(self, selector: selectors.BaseSelector) -> float | None:
        """Register what is to be read and written; return the seconds until more can be written, None: no limit."""
        wanted: dict[socket.socket, int] = {}
        now, next_due = time.monotonic(), None
        for pipe in self._pipes:
            fault = self._orders[pipe.way].fault
            if fault is Fault.FREEZE or pipe.silent:
                continue
            if not pipe.ended and pipe.size < MOST_HELD:
                wanted[pipe.source] = wanted.get(pipe.source, 0) | selectors.EVENT_READ
            if pipe.held:
                due = pipe.held[0][0]
                if due <= now:
                    wanted[pipe.target] = wanted.get(pipe.target, 0) | selectors.EVENT_WRITE
                else:
                    next_due = due if next_due is None else min(next_due, due)
        for sock, events in wanted.items():
            selector.register(sock, events)
        return None if next_due is None else max(0.0, next_due - now)

    def _handle(self, fileobj: Any, events: int) -> None:
        if fileobj is self._ear:
            with suppress(BlockingIOError):
                self._ear.recv(CHUNK)
        elif fileobj is self._listener:
            self._accept()
        else:
            for pipe in [one for one in self._pipes if fileobj in (one.source, one.target)]:
                try:
                    if events & selectors.EVENT_WRITE and pipe.target is fileobj:
                        self._write(pipe)
                    if events & selectors.EVENT_READ and pipe.source is fileobj and pipe in self._pipes:
                        self._read(pipe)
                except BlockingIOError:
                    continue
                except OSError:  # one side was reset: so is the other
                    self._drop(pipe, reset=True)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # it was gone before it was served
            return
        self.connections += 1
        resets = self._orders[Way.TO_SERVER].fault is Fault.RESET
        try:
            if resets:
                raise ConnectionResetError
            server = socket.create_connection(self._server, timeout=5)
        except OSError:
            _close(client, reset=True)
            return
        for each in (client, server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pipes += [_Pipe(client, server, Way.TO_SERVER), _Pipe(server, client, Way.TO_CLIENT)]

    def _read(self, pipe: _Pipe) -> None:
        data = pipe.source.recv(CHUNK)
        pipe.ended = not data
        order, now = self._orders[pipe.way], time.monotonic()
        if order.fault is Fault.DROP and data:
            return
        if order.fault is Fault.CUT and data:
            pipe.target.setblocking(True)
            pipe.target.sendall(data[: max(1, len(data) // 2)])
            self._drop(pipe, reset=False)
        elif order.fault is Fault.TRICKLE and data:
            last = max(now, pipe.held[-1][0] if pipe.held else 0.0)
            for number in range(len(data)):
                pipe.hold(last + (number + 1) * order.seconds, data[number : number + 1])
        else:
            after = order.seconds if order.fault is Fault.DELAY else 0.0
            pipe.hold(max(now + after, pipe.held[-1][0] if pipe.held else 0.0), data)

    def _write(self, pipe: _Pipe) -> None:
        while pipe.held and pipe.held[0][0] <= time.monotonic():
            due, data = pipe.held.popleft()
            if not data:
                pipe.target.shutdown(socket.SHUT_WR)
                if self._other(pipe).ended and not self._other(pipe).held:
                    self._drop(pipe, reset=False)
                return
            try:
                sent = pipe.target.send(data)
            except BlockingIOError:
                sent = 0
            pipe.size -= sent
            self.passed[pipe.way] += sent
            if sent < len(data):
                pipe.held.appendleft((due, data[sent:]))
                return

    # -- connections

    def _other(self, pipe: _Pipe) -> _Pipe:
        return next(one for one in self._pipes if one.source is pipe.target)

    def _drop(self, pipe: _Pipe, *, reset: bool) -> None:
        self._pipes = [one for one in self._pipes if one.source not in (pipe.source, pipe.target)]
        for each in (pipe.source, pipe.target):
            _close(each, reset)

    def _drop_all(self, *, reset: bool) -> None:
        while self._pipes:
            self._drop(self._pipes[0], reset=reset)


def _ways(way: Way) -> tuple[Way, ...]:
    return (Way.TO_SERVER, Way.TO_CLIENT) if way is Way.BOTH else (way,)


def _close(sock: socket.socket, reset: bool) -> None:
    with suppress(OSError):
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        sock.close()
