"""How a lane is idle: it waits for the lists that most messages come by, and looks at the others now and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kernelq_redis.keys import LANDING
from kernelq_redis.waiter import Waiter

if TYPE_CHECKING:
    from kernelq.handles import Loop
    from kernelq_redis.keys import Keys
    from kernelq_redis.opening import Opening
    from kernelq_redis.terms import Term

MOST_WAITERS = 16
"""Connections that wait at most; the queues beyond are looked at."""
_LOOK = 0.2  # seconds between two looks at lists without a waiter, of queues that have some
_SHORTEST, _LONGEST = 0.005, 0.05  # and of those that have none
_WITHOUT_CREDIT = 5  # looks


class Idle:
    """The waiters of a lane, and when it is to look for itself."""

    def __init__(
        self,
        opening: Opening,
        loop: Loop,
        on_landed: Callable[[Waiter, str, bytes], None],
        on_nothing: Callable[[Waiter], None],
    ) -> None:
        self._opening = opening
        self._loop = loop
        self._on_landed = on_landed
        self._on_nothing = on_nothing
        self._waiters: dict[tuple[str, int], Waiter] = {}
        self._bare = False
        self._pause = _SHORTEST
        self._due: float | None = None
        self._looks = 0
        self.waiting = False
        """Whether the last claim found less than was asked for, so that there is nothing to do but wait."""

    def add(self, queue: str) -> None:
        """Have waiters for a queue, unless there are too many."""
        for step in LANDING:
            if (queue, step) in self._waiters:
                continue
            if len(self._waiters) >= MOST_WAITERS:
                self._bare = True
                return
            link, client = self._opening.waiting_link(self._loop)
            waiter = Waiter(link, client, queue, step, self._on_landed, self._on_nothing)
            self._waiters[queue, step] = waiter

    def reset(self) -> None:
        """Note that something may be there."""
        self.waiting = False
        self._pause = _SHORTEST

    def came(self, count: int, asked: int, due: float | None) -> None:
        """Note what a claim brought; `due` is in how many seconds a delayed message is."""
        self._due = due
        self.waiting = count < asked
        self._pause = _SHORTEST if count else min(2 * self._pause, _LONGEST)

    def wait(self, keys: Keys, term: Term, queues: Sequence[str]) -> None:
        """Have every waiter of these queues wait."""
        for waiter in self._waiters.values():
            if not waiter.waits and waiter.queue in queues:
                waiter.wait(keys.ready(waiter.queue, waiter.step), waiter.landing(keys, term))

    def look(self, credit: bool) -> bool:
        """Tell whether it is time for a claim; without credit only now and then, for what has become due."""
        self._looks += 1
        return credit or self._looks % _WITHOUT_CREDIT == 0

    def pause(self) -> float:
        """Return the seconds until the next look."""
        longest = self._pause if self._bare and self.waiting else _LOOK
        return longest if self._due is None else min(longest, max(self._due, 0.001))

    def check(self) -> None:
        """Raise `BrokerLost` where a waiter's server is silent."""
        for waiter in self._waiters.values():
            waiter.link.check()

    @property
    def usable(self) -> bool:
        """Whether no waiter's connection is lost."""
        return all(waiter.link.usable for waiter in self._waiters.values())

    def clients(self) -> list[int]:
        """Return the numbers of the waiting connections."""
        return [waiter.client for waiter in self._waiters.values()]

    def close(self) -> None:
        """Abort every waiter."""
        for waiter in self._waiters.values():
            waiter.link.abort()
        self._waiters.clear()
