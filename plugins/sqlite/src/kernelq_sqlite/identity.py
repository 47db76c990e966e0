"""Which owner the lanes of one transport act for."""

from __future__ import annotations

import itertools

from kernelq.kernel.errors import BrokerLost
from kernelq_sqlite.lease import Owner
from kernelq_sqlite.store import Store


class Identity:
    """Gives each lane of a transport its owner.

    A lane that is closed because the database failed, for it or for a connection of the same transport, leaves its
    owner here, with the lease held, for the next lane: what still runs is settled there, and is not delivered twice
    because a backup held the file for some seconds.
    """

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._parked: Owner | None = None
        self.failed = False
        """Whether the database failed since the last lane was opened, so that the worker connects again."""
        self.fenced = False
        """Whether the lease that the last lane had left here has ended meanwhile."""
        self._lanes = 0
        self.tags = itertools.count(1)
        """Receipts, never given twice by this transport."""

    def take(self) -> Owner:
        """Return the owner that the last lane left, if the database still knows it, else a new one; count the lane."""
        parked, self._parked = self._parked, None
        self.failed = self.fenced = False
        if parked is not None and parked.held:
            if self._known(parked):
                self._lanes += 1
                return parked
            self.fenced = True
            parked.let_go(unlink=True)
        owner = self.new()
        self._lanes += 1
        return owner

    def leave(self) -> None:
        """Count one lane less; the last one closes the database."""
        self._lanes -= 1
        if self._lanes <= 0:
            self._lanes = 0
            self._store.close()

    def new(self) -> Owner:
        """Return a new owner, which has nothing in flight."""
        return Owner(self._store, self._lease, BrokerLost)

    def fail(self) -> None:
        """Note that the database failed."""
        self.failed = True

    def park(self, owner: Owner) -> None:
        """Keep an owner, and its lease, for the next lane."""
        if self._parked is not None:
            self._parked.let_go()
        self._parked = owner

    def close(self) -> None:
        """End the lease of a parked owner: others take over what it has in flight."""
        if self._parked is not None:
            self._parked.let_go()
            self._parked = None

    def _known(self, owner: Owner) -> bool:
        with self._store.read(BrokerLost) as db:
            return db.execute("SELECT 1 FROM owner WHERE id=?", (owner.id,)).fetchone() is not None
