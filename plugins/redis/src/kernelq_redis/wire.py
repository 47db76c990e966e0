"""A connection as senders and stores use it: commands go packed, replies come as they are, all within a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import hiredis

from kernelq_redis.dial import dial

if TYPE_CHECKING:
    from kernelq_redis.location import Location

Command = tuple[str | bytes | int | float, ...]
"""The words of a command: ``("LPUSH", "celery", b"…")``."""

pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub knows one word only
"""Return a command as it goes over the wire."""

ReplyError = hiredis.ReplyError
"""What Redis answers to a command that it refuses; it is among the replies, not raised."""

_CHUNK = 65536
_MORE = object()


class Wire:
    """One connection, for one thread at a time. The layers of redis-py would cost 20 µs a command.

    What it raises is one of `kernelq_redis.dial.ERRORS`; then it is of no further use.
    """

    def __init__(self, location: Location, timeout: float, name: str) -> None:
        self.sock = dial(location, timeout, name)
        self.timeout = timeout
        self.used = False
        """Whether it has answered before: then it may have been broken for long."""
        self._reader = hiredis.Reader(notEnoughData=_MORE)

    def call(self, *command: Any) -> Any:
        """Send one command and return its reply; a refusal is raised. For what is not in a hurry."""
        (reply,) = self.talk(pack(command), 1)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def many(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands in one go and return their replies, refusals among them."""
        return self.talk(b"".join(map(pack, commands)), len(commands))

    def send(self, data: bytes) -> None:
        """Send packed commands whose replies come with those of the next `talk`."""
        self.sock.sendall(data)

    def talk(self, data: bytes, count: int) -> list[Any]:
        """Send packed commands and return their `count` replies, refusals among them. Bounded by `timeout`."""
        sock, reader = self.sock, self._reader
        ends = time.monotonic() + self.timeout
        sock.sendall(data)
        replies: list[Any] = []
        while True:
            received = sock.recv(_CHUNK)
            if not received:
                raise ConnectionError("the server closed the connection")
            reader.feed(received)
            while (reply := reader.gets()) is not _MORE:
                replies.append(reply)
            if len(replies) >= count:
                self.used = True
                return replies
            if time.monotonic() > ends:
                raise TimeoutError(f"no reply within {self.timeout:g} seconds")

    def limit(self, timeout: float) -> None:
        """Bound each later call to `timeout` seconds."""
        self.timeout = timeout
        self.sock.settimeout(timeout)

    def close(self) -> None:
        """Close the connection, without waiting for anybody; in a forked child, its copy of the parent's."""
        self.sock.close()
