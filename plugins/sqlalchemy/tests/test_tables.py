"""The tables, beside those of the Celery that is installed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from celery.backends.database.models import TaskExtended, TaskSet
from sqlalchemy.schema import CreateTable

from kernelq_sqlalchemy.tables import EXPIRES, tables


@pytest.mark.parametrize(("ours", "celerys"), [("task", TaskExtended), ("group", TaskSet)])
def test_they_have_the_columns_of_celerys_and_the_same_kinds(ours, celerys):
    """One more is our own; a kind may be wider than Celery's, never another."""
    table, theirs = getattr(tables({}, {}), ours), celerys.__table__

    assert theirs.name == table.name
    assert [*theirs.columns.keys()] == [name for name in _in_order(table, theirs) if name != EXPIRES]
    for column in theirs.columns:
        assert issubclass(type(table.c[column.name].type), type(column.type))
        assert (column.nullable, column.unique, column.index) == (
            table.c[column.name].nullable, table.c[column.name].unique, table.c[column.name].index
        )  # fmt: skip


def _in_order(table, theirs):
    return sorted(table.columns.keys(), key=lambda name: [*theirs.columns.keys(), EXPIRES].index(name))


def test_names_and_schemas_are_those_of_the_settings():
    made = tables({"task": "t", "group": "g"}, {"task": "s"})

    assert ("s.t", "g", "s") == (made.task.fullname, made.group.fullname, made.sequence.schema)


def test_on_mysql_a_result_has_room_and_ids_differ_by_case():
    text = str(CreateTable(tables({}, {}).task).compile(dialect=sa.create_engine("mysql+pymysql://").dialect))

    assert "result LONGBLOB" in text
    assert "task_id VARCHAR(155) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" in text
