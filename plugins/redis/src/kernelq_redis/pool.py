"""Connections that threads share: opened when needed, at most so many, each lent to one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from kernelq.kernel.errors import Unreachable
from kernelq_redis.dial import ERRORS, unreachable
from kernelq_redis.forks import watch
from kernelq_redis.wire import ReplyError, Wire

if TYPE_CHECKING:
    from kernelq_redis.location import Location

T = TypeVar("T")


class Pool:
    """Lends connections to one Redis. `kind` is the error that it raises within `timeout` seconds.

    Thread-safe; a forked child opens its own. `opened` is called with each new connection before its first use.
    """

    def __init__(
        self,
        location: Location,
        kind: type[Unreachable],
        *,
        timeout: float,
        limit: int,
        name: str = "kernelq",
        opened: Callable[[Wire], None] | None = None,
    ) -> None:
        self.location = location
        self.timeout = timeout
        self._kind = kind
        self._limit = limit
        self._name = name
        self._opened = opened
        self._renew()
        watch(self)

    def _renew(self) -> None:
        self._idle: deque[Wire] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._waiting = 0
        self._open = 0

    def forked(self) -> None:
        """Leave the parent's connections alone; called in a forked child."""
        for wire in self._idle:
            wire.close()
        self._renew()

    def take(self, ends: float | None = None) -> Wire:
        """Borrow a connection; give it back with `give` or `drop`. Raises the pool's error in time.

        A new one, and its first call, are done by `ends` of the monotonic clock; None: `timeout` from now.
        """
        try:
            return self._idle.pop()
        except IndexError:
            return self._take_slowly(time.monotonic() + self.timeout if ends is None else ends)

    def give(self, wire: Wire) -> None:
        """Return a connection that works."""
        if wire.timeout != self.timeout:
            wire.limit(self.timeout)
        self._idle.append(wire)
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def drop(self, wire: Wire) -> None:
        """Return a connection that broke; those that lie idle are as old, and go too."""
        self._close(wire)
        self.close()

    def close(self) -> None:
        """Close what lies idle. What is lent is closed when it comes back broken, or used on."""
        with suppress(IndexError):
            while True:
                self._close(self._idle.pop())

    def __del__(self) -> None:
        self.close()

    def error(self, error: BaseException) -> Unreachable:
        """Return the pool's error for one of the client's."""
        return unreachable(self._kind, self.location, error)

    def run(self, work: Callable[[Wire], T], again: Callable[[Wire], T] | None = None, ends: float | None = None) -> T:
        """Return `work(wire)`; on a connection that had been used before and broke, once more on a new one.

        `again` is done then in place of `work`. Done by `ends` of the monotonic clock, None: `timeout` from now. What
        the client raises, or Redis answers, comes out as the pool's error.
        """
        ends = time.monotonic() + self.timeout if ends is None else ends
        wire = self.take(ends)
        old = wire.used
        try:
            return self._use(wire, work)
        except self._kind as error:
            refused = isinstance(error.__cause__, ReplyError) and not stale(error.__cause__)
            if not old or refused or error.__cause__ is None or time.monotonic() >= ends:
                raise
        return self._use(self.take(ends), again or work)

    def _use(self, wire: Wire, work: Callable[[Wire], T]) -> T:
        try:
            done = work(wire)
        except ReplyError as error:
            if stale(error):
                self.drop(wire)
            else:
                self.give(wire)
            raise self.error(error) from error
        except ERRORS as error:
            self.drop(wire)
            raise self.error(error) from error
        except BaseException:
            self.drop(wire)  # an interrupted call may have left a reply behind
            raise
        self.give(wire)
        return done

    def _take_slowly(self, ends: float) -> Wire:
        with self._changed:
            self._waiting += 1
            try:
                while self._open >= self._limit:
                    with suppress(IndexError):
                        return self._idle.pop()
                    left = ends - time.monotonic()
                    if left <= 0:
                        raise self._kind(
                            f"all {self._limit} connections to {self.location.safe_url()} were busy for "
                            f"{self.timeout:g} seconds (setting redis_max_connections)"
                        )
                    self._changed.wait(left)
                self._open += 1
            finally:
                self._waiting -= 1
        try:
            return self._dial(ends)
        except BaseException:
            self._gone()
            raise

    def _dial(self, ends: float) -> Wire:
        try:
            wire = Wire(self.location, max(0.001, ends - time.monotonic()), self._name)
            try:
                if self._opened is not None:
                    self._opened(wire)
                wire.limit(max(0.001, ends - time.monotonic()))
            except BaseException:
                wire.close()
                raise
        except ERRORS as error:
            raise self.error(error) from error
        return wire

    def _close(self, wire: Wire) -> None:
        wire.close()
        self._gone()

    def _gone(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()


def stale(error: object) -> bool:
    """Tell whether Redis answered that it is not, or no longer, the one to write to: connect anew."""
    return str(error).startswith(("READONLY", "LOADING", "MASTERDOWN", "UNBLOCKED"))
