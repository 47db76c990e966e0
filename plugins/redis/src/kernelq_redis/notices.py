"""Notices on Redis: of each kind one sorted set, of names with the time (epoch seconds) when they end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kernelq.notices import KINDS
from kernelq_redis.pool import Pool
from kernelq_redis.wire import ReplyError, Wire

if TYPE_CHECKING:
    from kernelq.kernel.errors import Unreachable
    from kernelq_redis.location import Location

AT_ONCE = 1000
"""Names in one command."""


class RedisNotices:
    """See the contract `kernelq.notices.Notices`."""

    def __init__(self, location: Location, prefix: str, kind: type[Unreachable], timeout: float) -> None:
        self._prefix = prefix
        self._pool = Pool(location, kind, timeout=timeout, limit=4, name="kernelq-notices")

    def put(self, kind: str, names: Sequence[str], seconds: float | None = None) -> None:
        """Keep notices; those of the kind that have ended go."""
        now = time.time()
        ends = "+inf" if seconds is None else repr(now + seconds)
        key = self._key(kind)
        for some in _some(names):
            pairs = [word for name in some for word in (ends, name)]
            self._many([("ZREMRANGEBYSCORE", key, "-inf", repr(now)), ("ZADD", key, *pairs)])

    def find(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return those of which there is a notice."""
        now = time.time()
        found: set[str] = set()
        for some in _some(names):
            (scores,) = self._many([("ZMSCORE", self._key(kind), *some)])
            found |= {
                name for name, score in zip(some, scores, strict=True) if score is not None and float(score) > now
            }
        return found

    def remove(self, kind: str, names: Sequence[str]) -> int:
        """Take notices away."""
        return sum(self._many([("ZREM", self._key(kind), *some)])[0] for some in _some(names))

    def kinds(self) -> frozenset[str]:
        """Return the kinds of which there is any notice."""
        counts = self._many([("ZCARD", self._key(kind)) for kind in KINDS])
        there = [kind for kind, count in zip(KINDS, counts, strict=True) if count]
        if not there:
            return frozenset()
        now = repr(time.time())
        live = self._many([("ZCOUNT", self._key(kind), f"({now}", "+inf") for kind in there])
        for kind, count in zip(there, live, strict=True):
            if not count:
                self._many([("ZREMRANGEBYSCORE", self._key(kind), "-inf", now)])
        return frozenset(kind for kind, count in zip(there, live, strict=True) if count)

    def names(self, kind: str, limit: int = 1000) -> list[str]:
        """Return the names of a kind, at most `limit`."""
        command = ("ZRANGEBYSCORE", self._key(kind), f"({time.time()!r}", "+inf", "LIMIT", 0, limit)
        return sorted(name.decode("utf-8", "replace") for name in self._many([command])[0])

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _key(self, kind: str) -> str:
        return f"{self._prefix}kq:notes:{kind}"

    def _many(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        return self._pool.run(partial(_talk, commands))


def _talk(commands: list[tuple[Any, ...]], wire: Wire) -> list[Any]:
    replies = wire.many(commands)
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise reply
    return replies


def _some(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
