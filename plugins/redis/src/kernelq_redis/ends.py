"""The ends of flights on their way to the server, each kept until it is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq_redis.settling import commands

if TYPE_CHECKING:
    from kernelq_redis.link import Link
    from kernelq_redis.terms import Term, Terms

OnAnswer = Callable[[Sequence[Delivery], bool], None]
"""`kernelq.handles.EarlyLane.acknowledge` describes it."""
_LOST = -1
"""What scripts answer where the lease has ended."""


class Ends:
    """Sends, for one lane, what may be sent twice. What a lost connection leaves unanswered, the next lane repeats."""

    def __init__(self, terms: Terms, on_lost: Callable[[Term], None]) -> None:
        self._terms = terms
        self._on_lost = on_lost
        self._link: Link | None = None
        self._dropped: set[Term] = set()
        self.buried = 0
        """Messages that have been."""

    def open(self, link: Link) -> None:
        """Send by `link` from now on."""
        self._link = link

    def send(
        self,
        term: Term,
        packed: bytes,
        tags: list[int],
        then: Callable[[int], None] | None = None,
        told: Callable[[int], None] | None = None,
    ) -> None:
        """Send a command about flights; `then` gets an answer of this connection, `told` one of any, once."""
        assert self._link is not None
        serial = next(self._terms.serials)
        term.unanswered[serial] = packed, tags, told
        self._link.send(packed, partial(self._settled, term, serial, then))

    def end(self, term: Term, packed: bytes, tags: list[int], told: Callable[[int], None] | None = None) -> None:
        """Send a command that ends flights; from then on they are in flight no more, but unanswered."""
        self.send(term, packed, tags, None, told)
        for tag in tags:  # not before: a sweep gives back what is neither in flight nor unanswered
            self._terms.flights.pop(tag, None)

    def again(self, terms: Sequence[Term]) -> None:
        """Send once more what was not answered to the last lane; meanwhile it stays unanswered, so nobody sweeps it."""
        assert self._link is not None
        for term in terms:
            for serial, (packed, _, _) in list(term.unanswered.items()):
                self._link.send(packed, partial(self._settled, term, serial, None))

    def acknowledge(self, terms: Sequence[Term], batch: Sequence[Delivery], on_answer: OnAnswer) -> None:
        """Acknowledge what is not begun, for these terms; `on_answer` is told what was theirs until then."""
        flights, layout = self._terms.flights, None
        owned: dict[Term, list[Settlement]] = {}
        lost: list[Delivery] = []
        for delivery in batch:
            term = flights.get(delivery.tag)
            if term is not None and term in terms:
                owned.setdefault(term, []).append(Settlement(delivery, Verdict.ACK))
            else:
                lost.append(delivery)
        for term, some in owned.items():
            # Of what Celery may rescue one may be lost, and the others not: each has an answer of its own.
            for part in [[one] for one in some] if term.rescued else [some]:
                deliveries = {one.delivery.tag: one.delivery for one in part}
                for packed, tags in commands(self._terms.keys, layout, term.name, part):
                    acknowledged = [deliveries[tag] for tag in tags]
                    self.end(term, packed, tags, partial(_tell, on_answer, acknowledged))
        if lost:
            on_answer(lost, False)

    def lost(self, term: Term) -> None:
        """Note that a term has ended; what it was not told is told by this connection, or by its end."""
        self._dropped.add(term)

    def close(self) -> None:
        """Tell those that nobody will answer any more: their lease has ended, and their connection as well."""
        for term in self._dropped:
            unanswered, term.unanswered = term.unanswered, {}
            for _, _, told in unanswered.values():
                if told is not None:
                    told(_LOST)
        self._dropped.clear()

    def _settled(self, term: Term, serial: int, then: Callable[[int], None] | None, answer: Any) -> None:
        kept = term.unanswered.pop(serial, None)
        if isinstance(answer, list):
            answer, buried = answer
            self.buried += buried
        if answer == _LOST:
            self._on_lost(term)
        if then is not None:
            then(answer)
        if kept is not None and kept[2] is not None:
            kept[2](answer)


def _tell(on_answer: OnAnswer, deliveries: Sequence[Delivery], answer: int) -> None:
    on_answer(deliveries, answer != _LOST)
