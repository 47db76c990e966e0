"""The orderly end of a lane: what its terms have is given back while it still has its connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kernelq_redis.recovery import AT_ONCE
from kernelq_redis.scripts import LEAVE, Argument, call
from kernelq_redis.wire import pack

if TYPE_CHECKING:
    from kernelq_redis.link import Link
    from kernelq_redis.terms import Term, Terms

LONGEST = 5.0
"""Seconds that the server may take to answer."""


class Farewell:
    """Speaks for a closing lane; nobody turns the loop meanwhile. Raises `BrokerLost`."""

    def __init__(self, link: Link, terms: Terms) -> None:
        self._link = link
        self._terms = terms
        self._refused: list[Any] = []

    def end_waits(self, clients: Iterable[int]) -> None:
        """Have the server end blocking moves, by the numbers of their connections, so that nothing lands any more."""
        for client in clients:
            self._link.send(pack(("CLIENT", "KILL", "ID", client)), self._killed, refusable=True)

    def _killed(self, answer: Any) -> None:
        if not isinstance(answer, int):
            self._refused.append(answer)

    def end(self, term: Term) -> None:
        """Give back what a term has, and forget it. Where waits could not be ended, others look after what lands."""
        self._link.wait(LONGEST)
        for queue in term.queues:
            keys = self._terms.keys.all_of(queue, term.name)
            how = "bound" if self._refused else "close"
            arguments: list[Argument] = [term.name, AT_ONCE, "", how]
            more = 1
            while more:
                answers: list[list[int]] = []
                self._link.send(call(LEAVE.of(term.name), keys, arguments), answers.append)
                self._link.wait(LONGEST)
                more = answers[0][1]
        self._terms.drop(term)
