"""Terms: under which consumers' names the lanes of a transport act, one after the other."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelq_redis import consumer_id
from kernelq_redis.forks import watch
from kernelq_redis.lease import Keeper

if TYPE_CHECKING:
    from kernelq_redis.keys import Keys
    from kernelq_redis.location import Location


class Term:
    """The time of one consumer: from the opening of a lane, or from the loss of a lease, to the next.

    A connection that broke may have left commands behind, which the server carries out later. So each lane has a name
    of its own; what the last one has in flight stays under the name of the last, until it is settled there.
    """

    def __init__(self, lane: object, rescued: bool) -> None:
        self.name = consumer_id.new(rescued)
        self.rescued = rescued
        """Whether Celery's workers may rescue what it has in flight."""
        self.lane: object | None = lane
        """Whose it is; None while it waits for the next lane."""
        self.queues: list[str] = []
        """Where it may have messages in flight."""
        self.unanswered: dict[int, tuple[bytes, list[int], Callable[[int], None] | None]] = {}
        """Adoptions and settlements, of which nobody knows whether they arrived: packed, with tags and who is told."""
        self.lost = False
        """Whether the lease has ended: what it had belongs to others."""
        self.swept = 0.0
        """Monotonic seconds of the last look for what it does not know of."""
        self.current = True
        """Whether it takes messages; False for one that only settles."""


class Terms:
    """The terms of a transport's lanes, and what is in flight."""

    def __init__(
        self, location: Location, keys: Keys, lease: float, timeout: float, visibility: float | None = None
    ) -> None:
        self.location = location
        self.keys = keys
        self.lease = lease
        self.timeout = timeout
        self.visibility = visibility
        """Seconds after which Celery's workers rescue what is in flight and was not renewed; None where they do not."""
        self.flights: dict[int, Term] = {}
        """By tag: what was delivered and is not settled."""
        self.serials = itertools.count(1)
        self.warned = False
        """Whether a warning about the server has been given."""
        self._number = 0
        self._terms: list[Term] = []
        self._keeper: Keeper | None = None
        self._lock = threading.RLock()  # the keeper, which drops terms too, is to end with the last of them
        watch(self)

    def take(self, lane: object) -> Term:
        """Return a new term for `lane`."""
        term = Term(lane, self.visibility is not None)
        with self._lock:
            self._terms.append(term)
        return term

    def inherit(self, lane: object) -> list[Term]:
        """Give `lane` all terms that wait for one, and return them: from now on it settles for them.

        Only a lane whose connections stand may call it, and it sends at once what they have unanswered.
        """
        waiting = self.of(None)
        for term in waiting:
            term.lane = lane
        return waiting

    def keep(self) -> None:
        """Have the leases renewed from now on, and those of others looked after."""
        with self._lock:
            if self._keeper is None:
                self._keeper = Keeper(self)
                self._keeper.start()

    def all(self) -> list[Term]:
        """Return every term whose lease is to be renewed."""
        return list(self._terms)

    def of(self, lane: object) -> list[Term]:
        """Return those of a lane, the oldest first."""
        return [term for term in self._terms if term.lane is lane]

    def number(self, count: int) -> int:
        """Reserve `count` numbers for tags; return the one before the first. Tags are four times that, plus a step."""
        before, self._number = self._number, self._number + count
        return before

    def tags(self, term: Term) -> list[int]:
        """Return the tags that `term` knows of: in flight, or settled and unanswered.

        Asked from the keeper's thread, too: a tag is entered in the second before it leaves the first.
        """
        known = [tag for tag, owner in list(self.flights.items()) if owner is term]
        for _, tags, _ in list(term.unanswered.values()):
            known += tags
        return known

    def park(self, term: Term) -> None:
        """Keep a term, and its lease, for the next lane."""
        term.lane, term.current = None, False

    def drop(self, term: Term) -> int:
        """Forget a term; return how many deliveries it had in flight."""
        with self._lock:
            if term in self._terms:
                self._terms.remove(term)
            if not self._terms:
                self.rest()
        mine = [tag for tag, owner in list(self.flights.items()) if owner is term]
        for tag in mine:
            del self.flights[tag]
        return len(mine)

    def rest(self) -> None:
        """End the renewals."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.stop()

    def close(self) -> None:
        """Let go of what no lane has taken over: its lease ends, and others take what it has in flight."""
        for term in self.of(None):
            self.drop(term)

    def forked(self) -> None:
        """In a forked child: all of it is the parent's."""
        self._lock = threading.RLock()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.abandon()
        self._terms.clear()
        self.flights.clear()
