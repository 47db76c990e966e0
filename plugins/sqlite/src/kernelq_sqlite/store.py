"""A connection to the database file: transactions under the writer lock, checkpoints, errors in words."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kernelq.kernel.errors import ConfigurationError, Unreachable
from kernelq_sqlite.guard import guard
from kernelq_sqlite.location import Location
from kernelq_sqlite.schema import migrate
from kernelq_sqlite.writerlock import WriterLock

log = logging.getLogger(__name__)

WAL_LIMIT = 16 * 1024 * 1024
_LOOK_AT_WAL = 32  # transactions between two looks at its size
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
_OF_THE_VALUES = (sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""Errors that are not of the file, but of what was to be written into it."""
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8192",
)

_foreign: list[object] = []
"""Connections of a parent process, kept so that nothing closes them."""


class Store:
    """One process's connection to one database. Thread-safe; opens lazily; closes itself around forks."""

    fork_rank = 1

    def __init__(self, location: Location, timeout: float = 4.0) -> None:
        self.location = location
        self.timeout = timeout
        """Seconds that a transaction may wait for other writers."""
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._writer: WriterLock | None = None
        self._closer: weakref.finalize[..., Store] | None = None
        self._identity = (0, 0)
        self._pid = 0
        self._writes = 0
        self._wal_refused = 0
        self.on_failure: Callable[[], None] | None = None
        """Called before an error is raised that makes the worker connect again."""
        self.on_full: Callable[[], bool] | None = None
        """Frees some disk when it is full, and says whether it did."""
        guard(self)

    # -- transactions -------------------------------------------------------------------------------------------------

    @contextmanager
    def write(
        self, error: type[Unreachable], reopen: bool = True, timeout: float | None = None
    ) -> Iterator[sqlite3.Connection]:
        """Run a write transaction; everything in it happens, or nothing. `timeout`, in seconds, replaces the store's.

        Raises `error` where the file is lost, busy beyond the timeout, or the disk is full; with `reopen` false
        also where the file has been replaced since it was opened. What SQLite says of values comes out as it is.
        """
        with self._lock:
            db = self._ready(error, reopen)
            assert self._writer is not None
            if not self._writer.acquire(self.timeout if timeout is None else timeout):
                raise self._busy(error)
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except sqlite3.Error as problem:
                self._undo(db)
                if isinstance(problem, _OF_THE_VALUES):
                    raise
                raise self._explained(problem, error) from problem
            except BaseException:
                self._undo(db)
                raise
            finally:
                self._after_write()
                if self._writer is not None:
                    self._writer.release()

    @contextmanager
    def read(self, error: type[Unreachable], reopen: bool = True) -> Iterator[sqlite3.Connection]:
        """Lend the connection for reading statements, each a snapshot of its own. Raises `error` as `write`."""
        with self._lock:
            db = self._ready(error, reopen)
            try:
                yield db
            except sqlite3.Error as problem:
                raise self._explained(problem, error) from problem

    def data_version(self, error: type[Unreachable]) -> int:
        """Return a number that changes when another connection has written."""
        with self.read(error, reopen=False) as db:
            return int(db.execute("PRAGMA data_version").fetchone()[0])

    def checkpoint(self, error: type[Unreachable]) -> bool:
        """Bring the write-ahead log into the database and empty it; False where readers or writers were in the way."""
        with self._lock:
            self._ready(error, True)
            assert self._writer is not None
            if not self._writer.acquire(0.0):
                return False
            try:
                return self._checkpoint()
            finally:
                self._writer.release()

    def wal_size(self) -> int:
        """Return the size of the write-ahead log in bytes."""
        try:
            return os.stat(self.location.path + "-wal").st_size
        except FileNotFoundError:
            return 0

    # -- opening and closing ------------------------------------------------------------------------------------------

    def open(self, error: type[Unreachable]) -> None:
        """Open now. Raises ConfigurationError for a file that cannot be used, `error` for one that is busy."""
        with self._lock:
            self._ready(error, True)

    def close(self) -> None:
        """Free everything. May be called twice; a later call opens again."""
        with self._lock:
            self._close(waiting=min(self.timeout, 1.0))

    def replaced(self) -> bool:
        """Tell whether the file that is open is no longer the one under its name."""
        try:
            now = os.stat(self.location.path)
        except FileNotFoundError:
            return True
        return (now.st_dev, now.st_ino) != self._identity

    def _ready(self, error: type[Unreachable], reopen: bool) -> sqlite3.Connection:
        if self._db is not None and self._pid != os.getpid():
            # A fork that told nobody (by a C library): the parent's connection must be neither used nor closed here.
            _foreign.append((self._db, self._writer))
            if self._closer is not None:
                self._closer.detach()
            self._db = self._writer = self._closer = None
        if self._db is not None:
            if not self.replaced():
                return self._db
            self._close(waiting=0.0)
            if not reopen:
                self._failed()
                raise error(
                    f"the database {self.location.path} was deleted or replaced while it was in use; "
                    "what was queued in the old file is not in the new one"
                )
        return self._open(error)

    def _open(self, error: type[Unreachable]) -> sqlite3.Connection:
        self.location.prepare()
        writer = WriterLock(self.location.inside("wlock"))
        db = None
        try:
            if not writer.acquire(self.timeout):
                raise self._busy(error)
            stat = os.stat(self.location.path)
            db = sqlite3.connect(
                self.location.path,
                timeout=self.timeout,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=128,
            )
            for pragma in _PRAGMAS:
                db.execute(pragma)
            self._migrate(db)
        except sqlite3.Error as problem:
            raise self._explained(problem, error) from problem
        except FileNotFoundError as problem:
            raise error(f"the database {self.location.path} was deleted while it was opened") from problem
        else:
            self._db, self._writer, self._identity = db, writer, (stat.st_dev, stat.st_ino)
            self._pid = os.getpid()
            self._closer = weakref.finalize(self, _shut, db, writer, 1.0)
            writer.release()
            return db
        finally:
            if self._db is None:
                if db is not None:
                    db.close()
                writer.close()

    def _migrate(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")
        try:
            migrate(db, self.location.path)
            db.execute("COMMIT")
        except BaseException:
            self._undo(db)
            raise

    def _close(self, waiting: float) -> None:
        db, writer, self._db, self._writer = self._db, self._writer, None, None
        if db is None or writer is None:
            return
        if self._closer is not None:
            self._closer.detach()
            self._closer = None
        _shut(db, writer, waiting)

    # -- the write-ahead log, and failures -----------------------------------------------------------------------------

    def _after_write(self) -> None:
        self._writes += 1
        if self._writes % _LOOK_AT_WAL == 0 and self._db is not None:
            size = self.wal_size()
            if size > WAL_LIMIT + self._wal_refused:
                self._wal_refused = 0 if self._checkpoint() else size

    def _checkpoint(self) -> bool:
        assert self._db is not None
        started = time.monotonic()
        try:
            self._db.execute("PRAGMA busy_timeout=20")
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._db.execute(f"PRAGMA busy_timeout={int(self.timeout * 1000)}")
        except sqlite3.Error as problem:
            log.warning("cannot checkpoint %s: %s", self.location.path, problem)
            return False
        log.debug("checkpoint of %s took %.3f s, busy %s", self.location.path, time.monotonic() - started, busy)
        return not busy

    def _undo(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            try:
                db.execute("ROLLBACK")
            except sqlite3.Error as problem:  # the transaction is gone either way
                log.debug("rollback: %s", problem)

    def _failed(self) -> None:
        if self.on_failure is not None:
            self.on_failure()

    def _busy(self, error: type[Unreachable]) -> Unreachable:
        self._failed()
        return error(f"the database {self.location.path} was busy for {self.timeout:g} s: another process holds it")

    def _explained(self, problem: sqlite3.Error, error: type[Unreachable]) -> Exception:
        path, code = self.location.path, getattr(problem, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_NOTADB:
            return ConfigurationError(f"the file {path} is not a database: name another file, or move it away")
        if code & 0xFF == sqlite3.SQLITE_READONLY or code == sqlite3.SQLITE_PERM:
            return ConfigurationError(f"the database {path} is read-only for this user: chmod u+w {path}")
        self._failed()
        if code in _FULL:
            freed = self.on_full is not None and self.on_full()
            more = "; some reserved space was freed, so that running tasks can end" if freed else ""
            return error(f"the disk of the database {path} is full, or the file has reached its limit{more}")
        if code & 0xFF == sqlite3.SQLITE_CORRUPT:
            return error(f"the database {path} is damaged ({problem}): sqlite3 {path} 'PRAGMA integrity_check'")
        return error(f"the database {path} failed: {problem}")

    # -- forks --------------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Close: SQLite keeps its file locks in memory that a child would inherit without the locks."""
        self._lock.acquire()
        if self._db is not None and not self._db.in_transaction:
            self._close(waiting=min(self.timeout, 1.0))

    def after_fork_in_parent(self) -> None:
        """Let the next use open again."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Let the next use open a connection of the child's own."""
        self._lock = threading.RLock()


def _shut(db: sqlite3.Connection, writer: WriterLock, waiting: float) -> None:
    # The last close of a database checkpoints it, and that must not meet a writer.
    held = writer.acquire(waiting)
    try:
        db.close()
    finally:
        if held:
            writer.release()
        writer.close()


def settings_timeout(settings: Any) -> float:
    """Return ``broker_connection_timeout`` in seconds, Celery's default 4."""
    value = getattr(settings, "broker_connection_timeout", 4.0)
    return 4.0 if value is None else float(value)
