"""Connections to the database: made when needed, given up at a fork, and their errors in KernelQ's words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from kernelq.forks import after_fork
from kernelq.kernel.errors import BackendUnreachable
from kernelq.serialization import EncodeError
from kernelq_sqlalchemy.location import Location
from kernelq_sqlalchemy.options import DatabaseSettings

T = TypeVar("T")

TRIES = 5
"""How often a transaction runs that the database broke off for another's sake."""

_DEADLOCKS = frozenset({"40001", "40P01"})
_MYSQL_DEADLOCKS = frozenset({1020, 1205, 1213})
_POOLED_ONLY = frozenset({"max_overflow", "echo_pool"})


class Engine:
    """Runs functions in transactions of one database. Thread-safe; a forked child has connections of its own."""

    def __init__(self, location: Location, options: DatabaseSettings) -> None:
        self.location = location
        self._options = options
        self._engine: sa.Engine | None = None
        self._inherited: list[sa.Engine] = []
        self._lock = threading.Lock()
        after_fork(self._forked)

    @property
    def dialect(self) -> str:
        """SQLAlchemy's name of the dialect."""
        return self.location.url.get_dialect().name

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what `work` returns, called with a connection in a transaction; it may be called several times.

        Raises `BackendUnreachable`, and `EncodeError` where the database refuses the values.
        """
        soon = time.monotonic() + self._options.database_timeout / 2
        for left in range(TRIES - 1, -1, -1):
            try:
                with self._made().begin() as db:
                    return work(db)
            except exc.DataError as error:
                raise EncodeError(f"the result store refuses this result: {_said(error)}") from error
            except exc.SQLAlchemyError as error:
                if not (left and time.monotonic() < soon and _again(error, left == TRIES - 1)):
                    raise BackendUnreachable(
                        f"the result store {self.location.safe()} did not do its work: {_said(error)}"
                    ) from error
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Close every connection that nobody uses; a later `run` opens others."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _made(self) -> sa.Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._make()
            return self._engine

    def _make(self) -> sa.Engine:
        options = self._options
        given: dict[str, Any] = dict(options.database_engine_options)
        arguments = {**self.location.connect_args(options.database_timeout), **given.pop("connect_args", {})}
        if options.database_short_lived_sessions:
            given = {
                name: one for name, one in given.items() if not name.startswith("pool") and name not in _POOLED_ONLY
            }
            given["poolclass"] = NullPool
        elif given.get("poolclass") is None:
            given.setdefault("pool_timeout", options.database_timeout)
        engine = sa.create_engine(self.location.url, connect_args=arguments, hide_parameters=True, **given)
        if options.database_engine_callback is not None:
            options.database_engine_callback(engine)
        return engine

    def _forked(self) -> None:
        # The parent's connections are kept, unused: were they collected, some drivers would say goodbye on them.
        if self._engine is not None:
            self._inherited.append(self._engine)
        self._engine = None
        self._lock = threading.Lock()


def _again(error: exc.SQLAlchemyError, first: bool) -> bool:
    """Tell whether the same again may succeed at once: after a deadlock, or once after a connection that had died."""
    if not isinstance(error, exc.DBAPIError):
        return False
    if error.connection_invalidated:
        return first and error.statement is not None  # else nobody could connect
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    number = next(iter(getattr(error.orig, "args", ())), None)
    return state in _DEADLOCKS or number in _MYSQL_DEADLOCKS


def _said(error: exc.SQLAlchemyError) -> str:
    """Return the database's own words, without the statement and its values."""
    return str(error.orig if isinstance(error, exc.DBAPIError) else error).strip()
