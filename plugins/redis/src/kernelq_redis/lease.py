"""The lease: renewed by a thread of its own, on a connection of its own, which also looks after the others' leases."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from typing import TYPE_CHECKING

from kernelq.kernel.errors import BrokerLost
from kernelq_redis.dial import ERRORS, unreachable
from kernelq_redis.recovery import Recovery
from kernelq_redis.scripts import ALL, JOIN, LIFT, LOAD, call, run
from kernelq_redis.watch import Watch
from kernelq_redis.wire import ReplyError, Wire

if TYPE_CHECKING:
    from kernelq_redis.terms import Term, Terms

log = logging.getLogger(__name__)

LEASE = 20.0
"""Seconds after which a consumer that renews no more has lost what it had in flight."""
RENEWALS = 4
"""Per lease."""
LIFTS = 3
"""Per visibility timeout, where Celery's workers may rescue what is in flight."""
TICK = 1.2
"""Seconds between two looks at others, at most; jittered, so that workers do not look together."""
_TIMEOUT = 4.0


class Keeper:
    """Renews the leases of all terms of a transport, gives back what dead consumers had, and sweeps old terms."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._wire: Wire | None = None
        self._stop = threading.Event()
        self._renewed = self._lifted = 0.0
        self._tick = min(TICK, terms.lease / RENEWALS, (terms.visibility or math.inf) / LIFTS / 2)
        self._recovery = Recovery(terms, Watch(terms.lease))
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="kernelq-lease", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, without waiting."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def abandon(self) -> None:
        """In a forked child: the connection is the parent's."""
        if self._wire is not None:
            self._wire.close()

    def _run(self) -> None:
        while not self._stop.wait(self._tick * random.uniform(0.7, 1.0)):  # noqa: S311 - jitter
            try:
                self._once()
                self._failed = False
            except (*ERRORS, ReplyError) as error:
                self._lost(error)
        if self._wire is not None:
            self._wire.close()

    def _once(self) -> None:
        if self._wire is None:
            self._wire = self._dial()
        now = time.monotonic()
        if now - self._renewed >= self._terms.lease / RENEWALS - self._tick / 2:
            for term in self._terms.all():
                self._renew(self._wire, term)
            self._renewed = now
        if self._terms.visibility is not None and now - self._lifted >= self._terms.visibility / LIFTS - self._tick / 2:
            for term in self._terms.all():
                self._lift(self._wire, term)
            self._lifted = now
        self._recovery.turn(self._wire)

    def _dial(self) -> Wire:
        wire = Wire(self._terms.location, min(_TIMEOUT, self._terms.timeout), "kernelq-lease")
        wire.talk(LOAD, len(ALL))
        self._renewed = self._lifted = 0.0
        return wire

    def _renew(self, wire: Wire, term: Term) -> None:
        if not term.queues or term.lost:
            return
        keys = [self._terms.keys.alive(queue) for queue in term.queues]
        holds: list[int] = run(wire, call(JOIN, keys, [term.name, 0]))
        if 0 in holds:
            term.lost = True  # its lane learns it with its next answer, at the latest with its next look

    def _lift(self, wire: Wire, term: Term) -> None:
        """Have Celery's workers not rescue what is in flight, as if it had been taken now."""
        for queue in term.queues:
            if term.lost:
                return
            keys = [self._terms.keys.alive(queue), self._terms.keys.unacked(queue, term.name)]
            if run(wire, call(LIFT, keys + self._terms.keys.rescues(term.name), [term.name])) == -1:
                term.lost = True

    def _lost(self, error: Exception) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        if not self._failed:
            self._failed = True
            log.warning("cannot renew the lease: %s", unreachable(BrokerLost, self._terms.location, error))
