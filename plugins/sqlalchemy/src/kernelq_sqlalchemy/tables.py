"""Celery's tables of results (celery/backends/database/models.py of Celery 5.7), and one column of our own."""

from __future__ import annotations

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

EXPIRES = "kernelq_expires"
"""When a result expires, in seconds since the epoch. Celery neither reads nor writes it; NULL: as ``result_expires``
has it, counted from ``date_done``."""

TASK = ("task_id", "status", "result", "date_done", "traceback", "children", EXPIRES)
EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue", "stamps")

# Celery's own tables have 64 KiB of room for a result on MySQL, 2^31 ids, and there an "A" is an "a"; a client does not
# notice where tables that we make are wider.
_BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), "mysql", "mariadb")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EXACT = sa.String(155).with_variant(mysql.VARCHAR(155, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


@attrs.frozen(eq=False)
class Tables:
    """The two tables of one app."""

    metadata: sa.MetaData
    task: sa.Table
    group: sa.Table
    sequence: sa.Sequence
    """Of the ids of `task`, where the database has sequences."""


def tables(names: dict[str, str], schemas: dict[str, str]) -> Tables:
    """Return the tables under the names and in the schemas of the settings, each by "task" and "group"."""
    metadata = sa.MetaData()
    schema = schemas.get("task")
    sequence = sa.Sequence("task_id_sequence", metadata=metadata, schema=schema)
    task = sa.Table(
        names.get("task", "celery_taskmeta"),
        metadata,
        sa.Column("id", _NUMBER, sequence, primary_key=True, autoincrement=True),
        sa.Column("task_id", _EXACT, unique=True),
        sa.Column("status", sa.String(50)),
        sa.Column("result", _BLOB, nullable=True),
        sa.Column("date_done", sa.DateTime, nullable=True, index=True),
        sa.Column("traceback", _TEXT, nullable=True),
        sa.Column("children", _BLOB, nullable=True),
        sa.Column("name", sa.String(155), nullable=True),
        sa.Column("args", _BLOB, nullable=True),
        sa.Column("kwargs", _BLOB, nullable=True),
        sa.Column("worker", sa.String(155), nullable=True),
        sa.Column("retries", sa.Integer, nullable=True),
        sa.Column("queue", sa.String(155), nullable=True),
        sa.Column("stamps", _BLOB, nullable=True),
        sa.Column(EXPIRES, sa.Double, nullable=True, index=True),
        schema=schema,
        sqlite_autoincrement=True,
    )
    group_schema = schemas.get("group")
    group = sa.Table(
        names.get("group", "celery_tasksetmeta"),
        metadata,
        sa.Column(
            "id", _NUMBER, sa.Sequence("taskset_id_sequence", schema=group_schema), primary_key=True, autoincrement=True
        ),
        sa.Column("taskset_id", _EXACT, unique=True),
        sa.Column("result", _BLOB, nullable=True),
        sa.Column("date_done", sa.DateTime, nullable=True, index=True),
        schema=group_schema,
        sqlite_autoincrement=True,
    )
    return Tables(metadata, task, group, sequence)
