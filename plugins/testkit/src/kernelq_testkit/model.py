"""What a broker must hold, as far as its users can tell: the model that `TransportMachine` compares with a real one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum
from typing import TYPE_CHECKING

import attrs

from kernelq.delivery import Verdict

if TYPE_CHECKING:
    from kernelq.delivery import Delivery


class Place(Enum):
    """Where an accepted message is; there is exactly one place for each."""

    READY = "ready"
    FLIGHT = "in flight"
    DELAYED = "delayed"
    DEAD = "dead"
    DONE = "done"


@attrs.define(eq=False)
class Entry:
    """One accepted message."""

    id: str
    number: int
    priority: int
    place: Place = Place.READY
    owner: int | None = None
    """The lane that has it in flight."""
    delivery: Delivery | None = None
    counts: frozenset[int] = frozenset({1})
    """The figures of deliveries that the next one may have."""
    begun: bool = False
    moved: bool = False
    """Whether it was ever given back: order is promised to the others."""

    def lost(self) -> frozenset[int]:
        """Return what the figure may be when its owner is lost now: the first counts, and those that had begun it."""
        first = 1 in self.counts
        return frozenset(count + 1 for count in self.counts) if self.begun or first else self.counts


class Model:
    """Every message that was accepted, by id. Its methods raise AssertionError where the broker has done wrong."""

    def __init__(self, *, counted: bool, ordered: bool, tells_returns: bool = True) -> None:
        self.entries: dict[str, Entry] = {}
        self.ordered = ordered
        """Whether order is promised: not where one of several lanes keeps what came early."""
        self._counted = counted
        self._tells_returns = tells_returns
        self._last: dict[int, int] = {}

    def at(self, place: Place, owner: int | None = None) -> list[Entry]:
        """Return what is at a place, and there with that owner, in the order of sending."""
        found = (entry for entry in self.entries.values() if entry.place is place)
        return [entry for entry in found if owner is None or entry.owner == owner]

    def sent(self, ids: Iterable[str], priority: int, place: Place = Place.READY) -> None:
        """Note what was accepted."""
        for one in ids:
            self.entries[one] = Entry(one, len(self.entries), priority, place)

    def took(self, owner: int, deliveries: Iterable[Delivery]) -> None:
        """Note what a lane was handed. Each was ready, and with nobody else; in order; rightly counted."""
        for delivery in deliveries:
            name = delivery.headers.get("id")
            entry = self.entries.get(str(name))
            assert entry is not None, f"{name} was delivered, and never sent"
            where = f"with lane {entry.owner}" if entry.place is Place.FLIGHT else entry.place.value
            assert entry.place is Place.READY, f"{name} was delivered to lane {owner}, and is {where}"
            if self._counted:
                assert delivery.deliveries in entry.counts, (
                    f"{name} is delivered with the figure {delivery.deliveries}, not {sorted(entry.counts)}"
                )
                entry.counts = frozenset({delivery.deliveries})
            if self.ordered and not entry.moved:
                last = self._last.get(entry.priority, -1)
                assert entry.number > last, f"{name} came after one that was sent later"
                self._last[entry.priority] = entry.number
            entry.place, entry.owner, entry.delivery, entry.begun = Place.FLIGHT, owner, delivery, False

    def settled(self, entry: Entry, verdict: Verdict, *, counted: bool = False, far: bool = False) -> None:
        """Note a settlement by the owner."""
        entry.owner = None
        if verdict is Verdict.ACK:
            entry.place = Place.DONE
        elif verdict is Verdict.BURY:
            entry.place = Place.DEAD
        else:
            entry.moved = True
            entry.place = Place.DELAYED if far else Place.READY
            if counted:
                entry.counts = frozenset(count + 1 for count in entry.counts)
            else:
                self._given_back(entry)

    def left(self, owner: int, released: Collection[Entry] = ()) -> None:
        """Note that a lane is gone; what it released goes back uncounted."""
        for entry in self.at(Place.FLIGHT, owner):
            entry.moved = True
            entry.place, entry.owner = Place.READY, None
            if entry in released:
                self._given_back(entry)
            else:
                entry.counts = entry.lost()

    def _given_back(self, entry: Entry) -> None:
        if not self._tells_returns:
            entry.counts |= frozenset(count + 1 for count in entry.counts)

    def hoarded(self) -> None:
        """Note that a lane is gone which may have had, unseen, any message that is ready: a first loss may count."""
        for entry in self.at(Place.READY):
            if 1 in entry.counts:
                entry.counts |= {2}

    def open(self) -> int:
        """Return how many are neither done nor dead: ready, in flight or delayed."""
        return sum(entry.place not in (Place.DONE, Place.DEAD) for entry in self.entries.values())
