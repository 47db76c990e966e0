"""Notices in the database file."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernelq.notices import KINDS
from kernelq_sqlite.store import Store

if TYPE_CHECKING:
    from kernelq.kernel.errors import Unreachable
    from kernelq_sqlite.location import Location

_PUT = "INSERT INTO notice(kind, name, ends) VALUES(?,?,?) ON CONFLICT(kind, name) DO UPDATE SET ends=excluded.ends"
_FIND = (  # one statement for all: 0.7 µs a name, and 5 µs with a statement each
    "SELECT n.name FROM json_each(?) j CROSS JOIN notice n ON n.kind=? AND n.name=j.value "
    "WHERE n.ends IS NULL OR n.ends>?"
)
_ANY = "SELECT 1 FROM notice WHERE kind=? AND (ends IS NULL OR ends>?) LIMIT 1"
_NAMES = "SELECT name FROM notice WHERE kind=? AND (ends IS NULL OR ends>?) ORDER BY name LIMIT ?"


class SqliteNotices:
    """See the contract `kernelq.notices.Notices`. It has a connection of its own."""

    def __init__(self, location: Location, timeout: float, error: type[Unreachable]) -> None:
        self._store = Store(location, timeout)
        self._error = error

    def put(self, kind: str, names: Sequence[str], seconds: float | None = None) -> None:
        """Keep notices; those that have ended go."""
        now = time.time()
        ends = None if seconds is None else now + seconds
        with self._store.write(self._error) as db:
            db.execute("DELETE FROM notice WHERE ends<=?", (now,))
            db.executemany(_PUT, [(kind, name, ends) for name in names])

    def find(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return those of which there is a notice."""
        now = time.time()
        with self._store.read(self._error) as db:
            return {name for (name,) in db.execute(_FIND, (json.dumps(list(names)), kind, now))}

    def remove(self, kind: str, names: Sequence[str]) -> int:
        """Take notices away."""
        found = self.find(kind, names)
        with self._store.write(self._error) as db:
            db.executemany("DELETE FROM notice WHERE kind=? AND name=?", [(kind, name) for name in names])
        return len(found)

    def kinds(self) -> frozenset[str]:
        """Return the kinds of which there is any notice."""
        now = time.time()
        with self._store.read(self._error) as db:
            return frozenset(kind for kind in KINDS if db.execute(_ANY, (kind, now)).fetchone())

    def names(self, kind: str, limit: int = 1000) -> list[str]:
        """Return the names of a kind, at most `limit`."""
        with self._store.read(self._error) as db:
            return [name for (name,) in db.execute(_NAMES, (kind, time.time(), limit))]

    def close(self) -> None:
        """Close the connection."""
        self._store.close()
