"""Taking over what dead consumers had in flight, and sweeping behind one's own connections that broke."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from kernelq_redis.scripts import LEAVE, SWEEP, WATCH, call, run

if TYPE_CHECKING:
    from kernelq_redis.terms import Term, Terms
    from kernelq_redis.watch import Watch
    from kernelq_redis.wire import Wire

log = logging.getLogger(__name__)

AT_ONCE = 500
"""Messages that one call gives back, while everybody else waits."""
_SWEEP_EVERY = 5.0


class Recovery:
    """One process's part in the recovery of messages; every process with a lane does the same."""

    def __init__(self, terms: Terms, watch: Watch) -> None:
        self._terms = terms
        self._watch = watch

    def turn(self, wire: Wire) -> None:
        """Look once at the leases of others, and at the old terms of our own."""
        own = self._terms.all()
        queues = sorted({queue for term in own for queue in term.queues})
        if not queues:
            return
        self._reap(wire, queues, {term.name for term in own})
        now = time.monotonic()
        for term in own:
            if not term.current and not term.lost and term.lane is not None and not term.unanswered:
                self._tend(wire, term, now)

    def _reap(self, wire: Wire, queues: list[str], own: set[str]) -> None:
        now, *found = run(wire, call(WATCH, [self._terms.keys.alive(queue) for queue in queues], []))
        others = {}
        for queue, flat in zip(queues, found, strict=True):
            names = zip(flat[::2], flat[1::2], strict=True)
            others[queue] = {name.decode(): renewal for name, renewal in names if name.decode() not in own}
        for queue, name, renewal, forget in self._watch.look(float(now), others):
            how = "forget" if forget else "reap"
            moved = give_back(self._terms, wire, queue, name, how, renewal)
            if moved:
                log.warning("%s has died or stalled: %d messages of %s taken back", name, moved, queue)

    def _tend(self, wire: Wire, term: Term, now: float) -> None:
        """Give back what an old term of ours does not know of, and end it where it has nothing more to settle.

        Not once for all: the server may carry out a command of a connection that broke after the first look.
        """
        known = self._terms.tags(term)
        if known and now < term.swept + _SWEEP_EVERY:
            return
        term.swept = now
        for queue in term.queues:
            keys = self._terms.keys.all_of(queue, term.name)
            run(wire, call(SWEEP.of(term.name), keys, [term.name, *known]))
            if not known:
                give_back(self._terms, wire, queue, term.name, "bound")
        if not known:
            self._terms.drop(term)


def give_back(terms: Terms, wire: Wire, queue: str, name: str, how: str, seen: bytes = b"") -> int:
    """End a consumer of a queue, as the script has it; return how many messages it had."""
    packed = call(LEAVE.of(name), terms.keys.all_of(queue, name), [name, AT_ONCE, seen, how])
    moved = 0
    more = 1
    while more:
        some, more = run(wire, packed)
        moved += some
    return moved
