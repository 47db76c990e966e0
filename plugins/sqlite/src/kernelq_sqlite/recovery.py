"""Taking over what dead owners had in flight."""

from __future__ import annotations

import logging
import sqlite3
import time

from kernelq.kernel.errors import Unreachable
from kernelq_sqlite import results
from kernelq_sqlite.lease import Watch
from kernelq_sqlite.store import Store

log = logging.getLogger(__name__)

BACK = "INSERT INTO ready(queue, pri, id, attempts) SELECT queue, pri, id, attempts FROM message WHERE id=?"
"""Makes a message, which is in no queue now, ready again."""
_TIDY_EVERY = 5.0  # seconds
_RESULTS_AT_ONCE = 1000  # a few milliseconds, for which everybody else waits


class Sweeper:
    """Finds dead owners and gives back what they had: messages to their queues, private queues to nobody."""

    def __init__(self, store: Store, watch: Watch) -> None:
        self._store = store
        self._watch = watch
        self._tidied = 0.0

    def sweep(self, own: frozenset[int], error: type[Unreachable]) -> int:
        """Recover every dead owner but `own`; return how many messages went back."""
        with self._store.read(error) as db:
            others = {name: ident for ident, name in db.execute("SELECT id, name FROM owner") if ident not in own}
        count = 0
        for name in self._watch.dead(sorted(others)):
            with self._store.write(error) as db:
                moved = recover(db, others[name])
            self._watch.forget(name)
            if moved is not None:
                log.warning("owner %s has died or stalled: %d messages taken back", name, moved)
                count += moved
        self._tidy(error)
        return count

    def _tidy(self, error: type[Unreachable]) -> None:
        """Drop queues, messages and results that have expired; of many results the rest at the next sweep."""
        now = time.monotonic()
        if now - self._tidied < _TIDY_EVERY:
            return
        self._tidied = now
        with self._store.read(error) as db:
            needed = db.execute("SELECT 1 FROM queue WHERE expires IS NOT NULL OR ttl IS NOT NULL LIMIT 1").fetchone()
            old = results.any_expired(db)
        if needed is not None:
            with self._store.write(error) as db:
                drop_expired(db, time.time())
        if old:
            with self._store.write(error) as db:
                if results.drop_expired(db, _RESULTS_AT_ONCE) == _RESULTS_AT_ONCE:
                    self._tidied = 0.0


def recover(db: sqlite3.Connection, owner: int) -> int | None:
    """End an owner: put back what it has in flight. Return how many messages, or None where another was faster.

    The loss counts for a message that lost no owner before, and for one that this owner had begun. However often it was
    lost it goes back: who takes it sees the count, and buries it with a result, which nobody could write here.
    """
    if not db.execute("DELETE FROM owner WHERE id=?", (owner,)).rowcount:
        return None
    flying = db.execute(
        "SELECT f.id, f.begun OR m.attempts=0 FROM flight f CROSS JOIN message m ON m.id=f.id WHERE f.owner=?",
        (owner,),
    ).fetchall()
    db.execute("DELETE FROM flight WHERE owner=?", (owner,))
    for ident, counts in flying:
        if counts:
            count_death(db, ident)
        db.execute(BACK, (ident,))
    drop_private(db, owner)
    return len(flying)


def count_death(db: sqlite3.Connection, ident: int) -> None:
    """Count one lost owner of a message that is in no queue now."""
    db.execute("UPDATE message SET attempts=attempts+1 WHERE id=?", (ident,))


def bury(db: sqlite3.Connection, ident: int, reason: str) -> None:
    """Move a message, which is in no queue now, into the dead set; ``attempts`` counts those that were lost."""
    db.execute(
        "INSERT INTO dead(queue, pri, attempts, reason, buried_at, headers, properties, content_type, content_encoding,"
        " expires, body) SELECT queue, pri, attempts + 1, ?, ?, headers, properties, content_type, content_encoding,"
        " expires, body FROM message WHERE id=?",
        (reason, time.time(), ident),
    )
    db.execute("DELETE FROM message WHERE id=?", (ident,))


def empty_queue(db: sqlite3.Connection, queue: str) -> int:
    """Delete the ready and delayed messages of a queue; return how many."""
    count = 0
    for table in ("ready", "delayed"):
        count += db.execute(
            f"DELETE FROM message WHERE id IN (SELECT id FROM {table} WHERE queue=?)",  # noqa: S608  # our own two names
            (queue,),
        ).rowcount
        db.execute(f"DELETE FROM {table} WHERE queue=?", (queue,))  # noqa: S608  # our own two names
    return count


def drop_queue(db: sqlite3.Connection, queue: str) -> None:
    """Delete a queue with its messages and its bindings."""
    empty_queue(db, queue)
    db.execute("DELETE FROM binding WHERE queue=?", (queue,))
    db.execute("DELETE FROM queue WHERE name=?", (queue,))


def drop_private(db: sqlite3.Connection, owner: int) -> None:
    """Delete the private queues of an owner that has gone, and start the clock of those that expire unused."""
    rows = db.execute("SELECT name FROM queue WHERE owner=? AND private=1", (owner,)).fetchall()
    for (name,) in rows:
        drop_queue(db, name)
    db.execute("UPDATE queue SET owner=NULL, unused_since=? WHERE owner=?", (time.time(), owner))


def drop_expired(db: sqlite3.Connection, now: float) -> None:
    """Delete queues that nobody has used for their ``x-expires``, and messages past their queue's ``x-message-ttl``."""
    rows = db.execute(
        "SELECT name FROM queue WHERE owner IS NULL AND expires IS NOT NULL AND unused_since + expires < ?", (now,)
    ).fetchall()
    for (name,) in rows:
        drop_queue(db, name)
    old = db.execute(
        "SELECT r.queue, r.pri, r.id FROM queue q CROSS JOIN ready r ON r.queue=q.name "
        "CROSS JOIN message m ON m.id=r.id WHERE q.private=1 AND q.ttl IS NOT NULL AND m.expires < ?",
        (now,),
    ).fetchall()
    db.executemany("DELETE FROM ready WHERE queue=? AND pri=? AND id=?", old)
    db.executemany("DELETE FROM message WHERE id=?", [(ident,) for _, _, ident in old])
