"""Making the tables, or finding out what those that are there have."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy import exc

from kernelq_sqlalchemy.tables import Tables

log = logging.getLogger("kernelq.backend")

RACES = 10
"""How often the making of tables is tried, while other processes make the same ones."""


@attrs.frozen
class Found:
    """What the table of tasks is in this database."""

    columns: frozenset[str]
    sequenced: bool
    """Whether new ids must be taken from the sequence; otherwise the database gives them."""


def find(db: sa.Connection, tables: Tables) -> Found | None:
    """Return what the table of tasks has; None where there is no such table."""
    inspector = sa.inspect(db)
    if not inspector.has_table(tables.task.name, schema=tables.task.schema):
        return None
    columns = {column["name"]: column for column in inspector.get_columns(tables.task.name, schema=tables.task.schema)}
    return Found(frozenset(columns), db.dialect.supports_sequences and not _counts(columns.get("id", {})))


def make(engine_run: Any, tables: Tables) -> Found:
    """Make what is missing, while others may do the same; return what there is then.

    Columns are added to a table that an older Celery has made. Where that is forbidden, they are done without.
    """
    create(engine_run, tables.metadata)
    found: Found = engine_run(lambda db: find(db, tables))
    missing = [column for column in tables.task.columns if column.name not in found.columns]
    for column in missing:
        _add(engine_run, tables.task, column)
    if missing:
        found = engine_run(lambda db: find(db, tables))
    return found


def create(engine_run: Any, metadata: sa.MetaData) -> None:
    """Make the tables that are missing, while others may do the same."""
    for left in range(RACES - 1, -1, -1):
        try:
            engine_run(metadata.create_all)
            return
        except Exception as error:
            if not (left and _raced(error.__cause__)):
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - parts those that race


def _add(engine_run: Any, table: sa.Table, column: sa.Column[Any]) -> None:
    def add(db: sa.Connection) -> None:
        preparer = db.dialect.identifier_preparer
        kind = column.type.compile(db.dialect)
        db.execute(
            sa.text(f"ALTER TABLE {preparer.format_table(table)} ADD COLUMN {preparer.format_column(column)} {kind}")
        )

    try:
        engine_run(add)
    except Exception as error:  # noqa: BLE001 - another process was faster, or it is forbidden: what there is, is used
        log.debug("the column %s was not added: %s", column.name, error)


def _raced(error: BaseException | None) -> bool:
    """Tell whether the database says that another has just made the same."""
    if isinstance(error, exc.IntegrityError | exc.InternalError):
        return True  # PostgreSQL's catalogue, which two write to at once
    return isinstance(error, exc.DatabaseError) and "exist" in str(error.orig)


def _counts(column: Any) -> bool:
    return bool(column.get("identity") or column.get("default") or column.get("autoincrement") is True)
