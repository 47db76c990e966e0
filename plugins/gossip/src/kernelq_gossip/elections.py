"""Elections: all workers come to the same winner, and ask nobody (celery/worker/consumer/gossip.py)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

log = logging.getLogger("kernelq.gossip")

VERSION = 1
"""``cver``, of the way in which it is done."""
ACK_AFTER = 0.2
"""Seconds between a candidacy and our vote. The votes make the others decide, and until then they are to have heard of
every candidate; whoever hears of one later would come to another winner."""
FORGOTTEN = 60.0
"""Seconds after which an election that came to no end is forgotten."""
MOST = 1000
"""Elections that are remembered at a time."""


@attrs.frozen(order=True)
class Candidate:
    """Who stands. The least is the winner: the earliest by the logical clock, of equal ones the first by name."""

    clock: int
    node: str
    """Its name and process: ``celery@host.123``."""
    topic: str = attrs.field(order=False)
    action: Any = attrs.field(order=False)


@attrs.define
class _Election:
    began: float
    """In seconds of the monotonic clock."""
    candidates: list[Candidate] = attrs.field(factory=list)
    votes: int | None = None
    """How many have come; None where we do not stand."""


class Elections:
    """The elections that are being held, as one node sees them.

    `node` is its name and process. `send` sends an event; `others` tells how many other nodes are alive; `later` calls
    a function after so many seconds.
    """

    def __init__(
        self,
        node: str,
        send: Callable[..., None],
        others: Callable[[], int],
        later: Callable[..., Any],
    ) -> None:
        self.node = node
        self.held = self.won = self.malformed = 0
        """Elections that this node saw decided, those it won, and events that could not be used."""
        self._send, self._others, self._later = send, others, later
        self._known: dict[str, _Election] = {}
        self._doers: dict[str, list[Callable[[Any], Any]]] = {}

    def on_won(self, topic: str, function: Callable[[Any], Any]) -> None:
        """Call `function` with the action of each election of this topic that this node wins."""
        self._doers.setdefault(topic, []).append(function)

    def stand(self, id: str, topic: str, action: Any) -> None:
        """Be a candidate. Raises ValueError where nobody here knows what to do for the topic."""
        if topic not in self._doers:
            known = ", ".join(sorted(self._doers))
            raise ValueError(f"nothing here is done for the topic {topic!r}; topics: {known}")
        self._election(id).votes = 0
        self._send("worker-elect", id=id, topic=topic, action=action, cver=VERSION)

    def on_elect(self, event: Mapping[str, Any]) -> None:
        """Take a candidacy, our own too, and vote."""
        id, clock, hostname, pid, topic = (event.get(name) for name in ("id", "clock", "hostname", "pid", "topic"))
        if not (all(isinstance(text, str) for text in (id, hostname, topic)) and isinstance(clock, int)):
            self._useless("a candidacy", event)
            return
        candidate = Candidate(clock, f"{hostname}.{pid}", str(topic), event.get("action"))
        self._election(str(id)).candidates.append(candidate)
        self._later(ACK_AFTER, self._vote, id)

    def on_vote(self, event: Mapping[str, Any]) -> None:
        """Count a vote; with as many as there are other nodes, it is decided.

        A node votes for each candidate, and Celery counts all of them: so must we, to decide at the same one.
        """
        id = event.get("id")
        if not isinstance(id, str):
            self._useless("a vote", event)
            return
        election = self._known.get(id)
        if election is None or election.votes is None:
            return  # we do not stand
        election.votes += 1
        if election.candidates and election.votes >= self._others():
            del self._known[id]
            self._decide(id, min(election.candidates))

    def _vote(self, id: str) -> None:
        self._send("worker-elect-ack", id=id)

    def _decide(self, id: str, winner: Candidate) -> None:
        self.held += 1
        if winner.node != self.node:
            log.info("election %s: %s is elected", id, winner.node)
            return
        self.won += 1
        log.info("election %s: this worker is elected", id)
        doers = self._doers.get(winner.topic)
        if not doers:
            log.error("election %s: nothing here is done for the topic %s", id, winner.topic)
        for doer in doers or ():
            try:
                doer(winner.action)
            except Exception:
                log.exception("election %s: %r raised", id, doer)

    def _election(self, id: str) -> _Election:
        known, now = self._known, time.monotonic()
        while known:
            oldest = next(iter(known))
            if len(known) < MOST and known[oldest].began > now - FORGOTTEN:
                break
            del known[oldest]
        return known.setdefault(id, _Election(now))

    def _useless(self, what: str, event: Mapping[str, Any]) -> None:
        self.malformed += 1
        log.warning("%s of %r cannot be used", what, event.get("hostname"))
