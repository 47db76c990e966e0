"""Looking at queues, and mending them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from kernelq.delivery import DeadLetter, QueueInfo
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_sqlite.doorbell import LANES, Ringer
from kernelq_sqlite.location import Location
from kernelq_sqlite.recovery import empty_queue
from kernelq_sqlite.rows import Malformed, as_bytes, loads
from kernelq_sqlite.store import Store

_LETTER = (
    "SELECT id, queue, reason, buried_at, attempts, headers, properties, content_type, content_encoding, body FROM dead"
)
_REPLAY = (
    "INSERT INTO message(queue, pri, headers, properties, content_type, content_encoding, expires, body) "
    "SELECT queue, pri, headers, properties, content_type, content_encoding, expires, body FROM dead WHERE id=?"
)
_COUNTS = {
    "ready": "SELECT queue, count(*) FROM ready GROUP BY queue",
    "in_flight": "SELECT m.queue, count(*) FROM flight f JOIN message m ON m.id=f.id GROUP BY m.queue",
    "delayed": "SELECT queue, count(*) FROM delayed GROUP BY queue",
    "dead": "SELECT queue, count(*) FROM dead GROUP BY queue",
}


class SqliteAdmin:
    """Queue administration. See the contract `QueueAdmin`; every call opens and closes a connection of its own."""

    def __init__(self, location: Location, timeout: float) -> None:
        self._location = location
        self._timeout = timeout

    def queues(self) -> list[QueueInfo]:
        """Return every queue, sorted by name; private reply and event queues are left out."""
        store = Store(self._location, self._timeout)
        try:
            with store.read(BrokerUnreachable) as db:
                db.execute("BEGIN")  # all counts from one snapshot
                try:
                    counts = {what: dict(db.execute(query).fetchall()) for what, query in _COUNTS.items()}
                    hidden = {name for (name,) in db.execute("SELECT name FROM queue WHERE private=1")}
                    names = {name for (name,) in db.execute("SELECT name FROM queue")}
                finally:
                    db.execute("COMMIT")
        finally:
            store.close()
        names = names.union(*counts.values()) - hidden
        return [QueueInfo(name, **{what: counts[what].get(name, 0) for what in _COUNTS}) for name in sorted(names)]

    def purge(self, queue: str) -> int:
        """Drop the ready and delayed messages of `queue`; return how many."""
        return self._change(lambda db: empty_queue(db, queue))

    def dead(self, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest buried messages first."""
        where, values = ("", (limit,)) if queue is None else (" WHERE queue=?", (queue, limit))
        return self._letters(f"{_LETTER}{where} ORDER BY id DESC LIMIT ?", values)

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one buried message, or None."""
        letters = self._letters(f"{_LETTER} WHERE id=?", (_number(letter_id),))
        return letters[0] if letters else None

    def replay(self, letter_ids: Iterable[str]) -> int:
        """Put buried messages back to the end of their queues; return how many."""
        ids = [_number(letter_id) for letter_id in letter_ids]
        count = self._change(lambda db: sum(_replay(db, ident) for ident in ids))
        ringer = Ringer(self._location, LANES)
        ringer.ring()
        ringer.close()
        return count

    def drop(self, letter_ids: Iterable[str]) -> int:
        """Delete buried messages for ever; return how many."""
        ids = [_number(letter_id) for letter_id in letter_ids]
        return self._change(
            lambda db: sum(db.execute("DELETE FROM dead WHERE id=?", (ident,)).rowcount for ident in ids)
        )

    def _letters(self, query: str, values: tuple[Any, ...]) -> list[DeadLetter]:
        store = Store(self._location, self._timeout)
        try:
            with store.read(BrokerUnreachable) as db:
                return [_letter(row) for row in db.execute(query, values)]
        finally:
            store.close()

    def _change(self, work: Any) -> int:
        store = Store(self._location, self._timeout)
        try:
            with store.write(BrokerUnreachable) as db:
                return int(work(db))
        finally:
            store.close()


def _number(letter_id: str) -> int:
    """Return a row id; -1, which no row has, for what is no number."""
    return int(letter_id) if letter_id.isascii() and letter_id.isdigit() and len(letter_id) < 19 else -1


def _replay(db: sqlite3.Connection, ident: int) -> int:
    new = db.execute(_REPLAY, (ident,))
    if not new.rowcount:
        return 0
    db.execute("INSERT INTO ready(queue, pri, id) SELECT queue, pri, id FROM message WHERE id=?", (new.lastrowid,))
    db.execute("DELETE FROM dead WHERE id=?", (ident,))
    return 1


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    ident, queue, reason, buried_at, attempts, headers, properties, content_type, encoding, body = row
    decoded = _readable("headers", headers)
    return DeadLetter(
        id=str(ident),
        task_id=str(decoded.get("id", "")),
        task=str(decoded.get("task", "")),
        queue=queue,
        reason=reason,
        buried_at=buried_at,
        deliveries=attempts,
        headers=decoded,
        properties=_readable("properties", properties),
        body=as_bytes(body),
        content_type=content_type or "",
        content_encoding=encoding or "",
    )


def _readable(what: str, data: object) -> dict[str, Any]:
    try:
        return loads(what, data)
    except Malformed:
        return {}  # an unreadable message is buried for just that; its reason says so
