"""The subscriber's connection: channels are subscribed and their results read in one go, by RESP3."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import hiredis

from kernelq_redis.results import STATE, Layout, is_ready, state_of
from kernelq_redis.wire import ReplyError, Wire, pack

if TYPE_CHECKING:
    from kernelq_redis.bell import Bell
    from kernelq_redis.location import Location

WINDOW = 256
"""Results that may be asked for at a time: what Redis holds for a subscriber is bounded (32 MB by default)."""

_CHUNK = 65536
_MORE = object()
_TICK = 1.0  # seconds


class Listening:
    """One connection on which results are waited for. It raises one of `kernelq_redis.dial.ERRORS` when it is lost."""

    def __init__(self, location: Location, layout: Layout, timeout: float, name: str) -> None:
        self._layout = layout
        self._timeout = timeout
        self._wire = Wire(location, timeout, name)
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._asked: deque[tuple[str, bytes | None] | None] = deque()
        """In order, whose result (None) or state (the payload) was asked for; None: a PING."""
        self._out: list[bytes] = []
        self._heard_at = self._asked_at = time.monotonic()
        self._say(pack(("HELLO", 3)), None)

    def ask(self, task_ids: deque[str]) -> None:
        """Subscribe to as many of `task_ids` as may be asked for now, taking them off, and look for their results."""
        some = [task_ids.popleft() for _ in range(min(len(task_ids), WINDOW - len(self._asked)))]
        if some:
            keys = [self._layout.key(task_id) for task_id in some]
            self._out.append(pack(("SUBSCRIBE", *keys)))
            for task_id, key in zip(some, keys, strict=True):
                self._say(pack(("GET", key)), (task_id, None))

    def drop(self, task_ids: list[str]) -> None:
        """Unsubscribe from channels."""
        if task_ids:
            self._out.append(pack(("UNSUBSCRIBE", *map(self._layout.key, task_ids))))

    def turn(self, bell: Bell) -> Iterator[tuple[str, bytes]]:
        """Send what is to be sent, sleep until something comes or the bell rings; yield results that are ready."""
        if self._out:
            self._wire.sock.sendall(b"".join(self._out))
            self._out.clear()
        sock = self._wire.sock
        pending = getattr(sock, "pending", None)
        if (pending is not None and pending()) or bell.wait(_TICK, sock.fileno()):
            data = sock.recv(_CHUNK)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._heard_at = time.monotonic()
            self._reader.feed(data)
            return self._ready(self._replies())
        self._check(time.monotonic())
        return iter(())

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def _say(self, packed: bytes, asked: tuple[str, bytes | None] | None) -> None:
        if not self._asked:
            self._asked_at = time.monotonic()
        self._asked.append(asked)
        self._out.append(packed)

    def _check(self, now: float) -> None:
        """Notice a network that has gone silent."""
        if self._asked and now - max(self._heard_at, self._asked_at) > self._timeout:
            raise TimeoutError(f"no reply within {self._timeout:g} seconds")
        if not self._asked and now - self._heard_at > self._timeout / 2:
            self._say(pack(("PING",)), None)

    def _replies(self) -> Iterator[Any]:
        while (reply := self._reader.gets()) is not _MORE:
            yield reply

    def _ready(self, replies: Iterable[Any]) -> Iterator[tuple[str, bytes]]:
        # Results come out together, after all that was read is looked at: who waits for several gets what there is.
        found: list[tuple[str, bytes]] = []
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise reply
            if isinstance(reply, list):
                if reply[0] == b"message":
                    self._look(self._layout.task_id(reply[1]), reply[2], found)
                continue
            self._answer(self._asked.popleft(), reply, found)
        return iter(found)

    def _answer(self, asked: tuple[str, bytes | None] | None, reply: Any, found: list[tuple[str, bytes]]) -> None:
        if asked is None:
            return
        task_id, payload = asked
        if payload is None:
            if reply is not None:
                self._look(task_id, reply, found)
        elif is_ready(None if reply is None else reply.decode("utf-8", "replace")):
            found.append((task_id, payload))

    def _look(self, task_id: str, payload: bytes, found: list[tuple[str, bytes]]) -> None:
        state = state_of(payload)
        if state is None:
            self._say(pack(("GET", self._layout.key(task_id) + STATE)), (task_id, payload))
        elif is_ready(state):
            found.append((task_id, payload))
