"""A SQLite file that keeps, over restarts and kills, what a worker remembers: revoked ids and the logical clock."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing

from kernelq.kernel.errors import ConfigurationError

log = logging.getLogger("kernelq.worker")

OURS = 0x4B515354
"""SQLite's ``application_id`` of such a file: "KQST"."""
VERSION = 1

_SCHEMA = (
    "CREATE TABLE revoked (id BLOB PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL)",
    "INSERT INTO clock VALUES (1, 0)",
    f"PRAGMA application_id = {OURS}",
    f"PRAGMA user_version = {VERSION}",
)


class StateFile:
    """An open state file. One process has it at a time; the lock ends with the process, however that ends.

    What was written survives a kill of the process. It is not synced at each write, so a machine that loses its power
    may lose the last of it. A write that fails is logged once, and made good by the next `write` that succeeds:
    nobody's revoke is refused because a disk is full.
    """

    def __init__(self, path: str) -> None:
        """Open or make it. Raises `ConfigurationError`: it is in use, it is something else, it cannot be written."""
        self.path = path
        self._missed: dict[str, float] = {}
        self._dropped: set[str] = set()
        self._failing = False
        try:
            # No wait for the lock: whoever has the file keeps it for as long as it runs.
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise ConfigurationError(f"worker_state_db: {path} cannot be opened: {error}") from error
        try:
            self._begin()
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigurationError(f"worker_state_db: {_explained(path, error)}") from error
        except BaseException:
            self._db.close()
            raise

    def _begin(self) -> None:
        db = self._db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN IMMEDIATE")  # before anything is changed: the file may be somebody else's
        known = db.execute("PRAGMA application_id").fetchone()[0]
        if not known and not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            for statement in _SCHEMA:
                db.execute(statement)
        elif known != OURS:
            raise ConfigurationError(
                f"worker_state_db: {self.path} is a database of something else; name another file. "
                "Celery's state files cannot be read"
            )
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise ConfigurationError(
                f"worker_state_db: {self.path} is of a newer KernelQ (version {version}, known here: {VERSION}); "
                "name another file, or upgrade"
            )
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")

    def revoked(self) -> dict[str, float]:
        """Return the revoked ids with the time (epoch seconds) of their revoke, oldest first."""
        rows = self._db.execute("SELECT id, at FROM revoked ORDER BY at")
        return {_text(key): at for key, at in rows}

    def clock(self) -> int:
        """Return the clock that was last kept."""
        with closing(self._db.execute("SELECT value FROM clock")) as rows:
            return int(rows.fetchone()[0])

    def write(self, revoked: Mapping[str, float], forgotten: Iterable[str] = (), clock: int | None = None) -> None:
        """Keep ids, drop others, and set the clock; all of it or nothing, before it returns. It does not raise."""
        for task_id in forgotten:
            self._missed.pop(task_id, None)
            self._dropped.add(task_id)
        self._missed.update(revoked)
        self._dropped.difference_update(revoked)
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.executemany("DELETE FROM revoked WHERE id = ?", ((_key(one),) for one in self._dropped))
                kept = ((_key(one), at) for one, at in self._missed.items())
                db.executemany("INSERT OR REPLACE INTO revoked VALUES (?, ?)", kept)
                if clock is not None:
                    db.execute("UPDATE clock SET value = ?", (clock,))
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if not self._failing:
                log.error("state file %s: revokes are not kept over a restart for now: %s", self.path, error)
            self._failing = True
            return
        if self._failing:
            log.warning("state file %s: it can be written again, and nothing is missing", self.path)
        self._failing = False
        self._missed.clear()
        self._dropped.clear()

    def close(self) -> None:
        """Close it, for another worker to open. May be called twice."""
        self._db.close()


def _key(task_id: str) -> bytes:
    return task_id.encode("utf-8", "surrogatepass")  # JSON can carry what UTF-8 has no bytes for


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _explained(path: str, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path} is not a SQLite file; name another file, or move it away. Celery's state files cannot be read"
    if code & 0xFF == sqlite3.SQLITE_BUSY:
        return f"{path} is in use by another worker; each worker needs its own: --statedb=/var/lib/kernelq/%n.state"
    if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return f"{path} cannot be written by this user: {error}"
    return f"{path} cannot be used: {error}"
