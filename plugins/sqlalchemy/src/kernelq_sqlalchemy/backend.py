"""The result store: what the URL schemes ``db`` and ``database`` stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from kernelq.kernel.contracts.backend import Placement
from kernelq.parts import newest
from kernelq.polling import Poller
from kernelq.states import READY_STATES
from kernelq_sqlalchemy import schema, upsert
from kernelq_sqlalchemy.engine import Engine
from kernelq_sqlalchemy.location import locate
from kernelq_sqlalchemy.notices import SqlNotices
from kernelq_sqlalchemy.options import DatabaseSettings
from kernelq_sqlalchemy.rows import Rows
from kernelq_sqlalchemy.tables import EXPIRES, tables

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.outcome import Record

AT_ONCE = 500
"""Ids in one statement."""
CLEANUP_AT_ONCE = 1000


class DatabaseBackend:
    """Results in a SQL database. See the contract `ResultBackend`."""

    placement = Placement.HOST
    multiprocess = True

    def __init__(self, url: str, settings: Conf) -> None:
        options = settings.section(DatabaseSettings)
        self.url = url
        self.location = locate(url)
        self._options = options
        self._engine = Engine(self.location, options)
        self._tables = tables(options.database_table_names, options.database_table_schemas)
        self._rows = Rows(settings, options.database_pickled_results)
        self._expires = settings.result_expires
        self._create_at_setup = options.database_create_tables_at_setup
        self._found: schema.Found | None = None
        self._store: Any = None
        self._poller = Poller(self._ready)

    def store_many(self, records: Sequence[Record]) -> None:
        """Store all records in one transaction. Raises `BackendUnreachable`; `EncodeError` for what no column takes."""
        if not records:
            return
        rows = [self._rows.row(record) for record in newest(records)]
        statement, columns = self._statement()
        self._run(lambda db: db.execute(statement, [{name: row[name] for name in columns} for row in rows]))
        self._poller.nudge()

    def get(self, task_id: str) -> bytes | None:
        """Return the stored payload of a task, or None."""
        for row in self._select([task_id]):
            if not self._rows.expired(row):
                return self._rows.payload(row)
        return None

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Block until any of the tasks is ready or `timeout` seconds have passed; return what is ready."""
        return self._poller.wait(task_ids, timeout)

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait` on the running event loop."""
        return await self._poller.wait_async(task_ids, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete results."""
        task = self._tables.task
        if self._look():
            for some in _parts(task_ids):
                self._run(partial(_execute, sa.delete(task).where(task.c.task_id.in_(some))))

    def cleanup(self) -> int:
        """Delete expired results, and groups that Celery has saved, a few at a time; return how many."""
        found = self._look()
        if found is None:
            return 0
        now = datetime.now(UTC)
        task, group = self._tables.task, self._tables.group
        old: list[Any] = []
        if self._expires:
            before = (now - timedelta(seconds=self._expires)).replace(tzinfo=None)
            old.append(task.c.date_done < before)
        if EXPIRES in found.columns:
            old = [sa.and_(task.c[EXPIRES].is_(None), one) for one in old]
            old.append(task.c[EXPIRES] <= now.timestamp())
        count = self._delete(task, sa.or_(*old)) if old else 0
        return count + (self._delete(group, group.c.date_done < before) if self._expires else 0)

    def notices(self) -> SqlNotices:
        """Return what the whole cluster is to know, kept in a table of the same database."""
        names, schemas = self._options.database_table_names, self._options.database_table_schemas
        where = schemas.get("notices", schemas.get("task"))
        return SqlNotices(Engine(self.location, self._options), names.get("notices", "kernelq_notices"), where)

    def close(self) -> None:
        """Free everything."""
        self._poller.join()
        self._engine.close()

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return self.location.safe()

    # the table

    def _run(self, work: Callable[[sa.Connection], Any]) -> Any:
        try:
            return self._engine.run(work)
        except Exception:
            self._found = None  # whatever it was, the tables may be others by the next time
            raise

    def _look(self) -> schema.Found | None:
        """Return what the table has, for reading; None where there is none yet."""
        if self._found is None:
            if self._create_at_setup:
                return self._made()
            self._found = self._engine.run(lambda db: schema.find(db, self._tables))
        return self._found

    def _made(self) -> schema.Found:
        """Return what the table has, for writing."""
        found = self._found
        if found is None:
            found = self._found = schema.make(self._engine.run, self._tables)
        return found

    def _statement(self) -> tuple[Any, list[str]]:
        found = self._made()
        kept = self._store
        if kept is None or kept[0] != found:
            columns = [name for name in self._rows.names if name in found.columns]
            sequence = self._tables.sequence if found.sequenced else None
            made = upsert.statement(self._engine.dialect, self._tables.task, columns, sequence)
            kept = self._store = (found, made, columns)
        return kept[1], kept[2]

    def _ready(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        rows = self._select(task_ids, ready=True)
        return {row["task_id"]: self._rows.payload(row) for row in rows if not self._rows.expired(row)}

    def _select(self, task_ids: Sequence[str], ready: bool = False) -> list[Mapping[str, Any]]:
        found = self._look()
        if found is None:
            return []
        task = self._tables.task
        columns = [task.c[name] for name in self._rows.names if name in found.columns]
        rows: list[Mapping[str, Any]] = []
        for some in _parts(task_ids):
            query = sa.select(*columns).where(task.c.task_id.in_(some))
            if ready:
                query = query.where(task.c.status.in_(sorted(READY_STATES)))
            rows += self._run(partial(_mappings, query))
        return rows

    def _delete(self, table: sa.Table, old: Any) -> int:
        count = 0
        some = sa.select(table.c.id).where(old).limit(CLEANUP_AT_ONCE)
        while True:
            ids = [row["id"] for row in self._run(partial(_mappings, some))]
            if ids:
                count += self._run(partial(_execute, sa.delete(table).where(table.c.id.in_(ids), old)))
            if len(ids) < CLEANUP_AT_ONCE:
                return count


def _execute(statement: Any, db: sa.Connection) -> int:
    return db.execute(statement).rowcount


def _mappings(query: sa.Select[Any], db: sa.Connection) -> list[Mapping[str, Any]]:
    return [dict(row) for row in db.execute(query).mappings()]


def _parts(task_ids: Sequence[str]) -> Iterable[list[str]]:
    ids = list(task_ids)
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
