"""The one statement that stores a result, by dialect. A stored SUCCESS stays, whoever writes at the same time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from kernelq.kernel.errors import ConfigurationError

# Spelt out, not bound: PyMySQL sends many rows in one statement only where all that is bound is their values.
_SUCCESS: sa.ColumnElement[str] = sa.literal_column("'SUCCESS'", sa.String)


def statement(dialect: str, table: sa.Table, names: Iterable[str], sequence: sa.Sequence | None) -> Any:
    """Return the statement that inserts a row with the columns `names`, or updates the one of its ``task_id``.

    `sequence`: where new ids come from; None: the database gives them. Raises `ConfigurationError` for a dialect that
    has no such statement.
    """
    columns = list(names)
    values: dict[str, Any] = {name: sa.bindparam(name) for name in columns}
    if sequence is not None:
        values["id"] = sequence.next_value()
    changed = [name for name in columns if name != "task_id"]
    if dialect in ("mysql", "mariadb"):
        return _mysql(table, values, changed)
    if dialect == "postgresql":
        return _standard(postgresql.insert(table).values(values), table, changed)
    if dialect == "sqlite":
        return _standard(sqlite.insert(table).values(values), table, changed)
    raise ConfigurationError(
        f"result_backend: KernelQ stores results in PostgreSQL, MySQL, MariaDB and SQLite, not in {dialect}"
    )


def _standard(insert: Any, table: sa.Table, changed: list[str]) -> Any:
    return insert.on_conflict_do_update(
        index_elements=[table.c.task_id],
        set_={name: insert.excluded[name] for name in changed},
        where=sa.or_(table.c.status != _SUCCESS, table.c.status.is_(None)),
    )


def _mysql(table: sa.Table, values: dict[str, Any], changed: list[str]) -> Any:
    insert = mysql.insert(table).values(values)
    # MySQL assigns from left to right, and each assignment sees those before it: the status comes last.
    ordered = sorted(changed, key=lambda name: name == "status")
    kept = table.c.status == _SUCCESS
    return insert.on_duplicate_key_update(
        [(name, sa.case((kept, table.c[name]), else_=insert.inserted[name])) for name in ordered]
    )
