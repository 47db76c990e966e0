"""Results as rows: written once, read until they expire."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence

from kernelq.outcome import Record
from kernelq.states import READY_STATES

_STORE = (
    "INSERT INTO result(task_id, state, expires, payload) VALUES(?,?,?,?) ON CONFLICT(task_id) DO UPDATE SET "
    "state=excluded.state, expires=excluded.expires, payload=excluded.payload WHERE result.state <> 'SUCCESS'"
)
_READY = ", ".join(f"'{state}'" for state in sorted(READY_STATES))
_AT_ONCE = 500  # variables in one statement


def store(db: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Store records inside the caller's transaction; a stored SUCCESS stays as it is."""
    now = time.time()
    db.executemany(
        _STORE,
        [
            (record.task_id, record.state, None if record.expires is None else now + record.expires, record.payload)
            for record in records
        ],
    )


def payload(db: sqlite3.Connection, task_id: str) -> bytes | None:
    """Return the stored payload of one task, unless it has expired."""
    found = db.execute(
        "SELECT payload FROM result WHERE task_id=? AND (expires IS NULL OR expires > ?)", (task_id, time.time())
    ).fetchone()
    return None if found is None else bytes(found[0])


def ready(db: sqlite3.Connection, task_ids: Sequence[str]) -> dict[str, bytes]:
    """Return the payloads of those tasks that are in a ready state."""
    found: dict[str, bytes] = {}
    now = time.time()
    for start in range(0, len(task_ids), _AT_ONCE):
        some = task_ids[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        query = (
            f"SELECT task_id, payload FROM result WHERE task_id IN ({marks}) "  # noqa: S608  # question marks only
            f"AND state IN ({_READY}) AND (expires IS NULL OR expires > ?)"
        )
        found.update(db.execute(query, (*some, now)).fetchall())
    return found


def forget(db: sqlite3.Connection, task_ids: Iterable[str]) -> None:
    """Delete results."""
    db.executemany("DELETE FROM result WHERE task_id=?", [(task_id,) for task_id in task_ids])


def any_expired(db: sqlite3.Connection) -> bool:
    """Tell whether there is anything for `drop_expired`."""
    return db.execute("SELECT 1 FROM result WHERE expires <= ? LIMIT 1", (time.time(),)).fetchone() is not None


def drop_expired(db: sqlite3.Connection, limit: int) -> int:
    """Delete at most `limit` expired results; return how many."""
    query = "DELETE FROM result WHERE task_id IN (SELECT task_id FROM result WHERE expires <= ? LIMIT ?)"
    return db.execute(query, (time.time(), limit)).rowcount
