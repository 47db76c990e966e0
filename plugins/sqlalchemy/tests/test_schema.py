"""Making the tables."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from celery.backends.database.models import TaskSet
from sqlalchemy import orm

from kernelq_sqlalchemy.tables import EXPIRES

pytestmark = pytest.mark.broker


def columns(database, table="celery_taskmeta", schema=None):
    return {column["name"] for column in sa.inspect(database).get_columns(table, schema=schema)}


def test_stores_that_begin_at_once_make_them_once(make, record):
    stores = [make() for _ in range(8)]
    go = threading.Barrier(8)
    errors = []

    def begin(number, store):
        go.wait(30)
        try:
            store.store_many([record(str(number))])
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=begin, args=pair) for pair in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [] == errors
    assert [b"{}"] * 8 == [stores[0].get(str(number)) for number in range(8)]


class Base(orm.DeclarativeBase):
    pass


class Old(Base):
    """The table as Celery 5.4 has it (celery/backends/database/models.py of that release)."""

    __tablename__ = "celery_taskmeta"
    __table_args__ = {"sqlite_autoincrement": True}

    id = sa.Column(sa.Integer, sa.Sequence("task_id_sequence"), primary_key=True, autoincrement=True)
    task_id = sa.Column(sa.String(155), unique=True)
    status = sa.Column(sa.String(50))
    result = sa.Column(sa.PickleType, nullable=True)
    date_done = sa.Column(sa.DateTime, nullable=True)
    traceback = sa.Column(sa.Text, nullable=True)


def test_a_table_of_an_older_celery_is_completed_and_both_go_on(make, database, record):
    """Rows of Celery 5.4 are read, and KernelQ's are read by it, where the setting says so."""
    Base.metadata.create_all(database)
    with orm.Session(database) as session:
        session.add(Old(task_id="old", status="SUCCESS", result={"n": [1]}))
        session.commit()
    backend = make(database_pickled_results=True, result_expires=None)

    payload = b'{"status": "SUCCESS", "result": {"n": 2}, "children": []}'
    backend.store_many([record("new", payload=payload)])

    assert {"children", EXPIRES} <= columns(database)
    assert b'"result": {"n": [1]}' in backend.get("old")
    with orm.Session(database) as session:
        assert {"n": 2} == session.scalars(sa.select(Old.result).where(Old.task_id == "new")).one()
        session.add(Old(task_id="again", status="SUCCESS", result=3))
        session.commit()
    assert b'"result": 3' in backend.get("again")


def test_a_table_that_may_not_be_changed_is_used_as_it_is(make, database, record, monkeypatch):
    """What has no column is not kept; expiry is counted from the date."""
    Base.metadata.create_all(database)
    monkeypatch.setattr("kernelq_sqlalchemy.schema._add", lambda *_: None)
    backend = make()
    backend.store_many([record()])

    assert EXPIRES not in columns(database)
    assert b"{}" == backend.get("a")
    assert 0 == backend.cleanup()


@pytest.mark.parametrize("first", [True, False])
def test_reading_makes_tables_where_the_setting_says_so(make, database, record, first):
    backend = make(database_create_tables_at_setup=first)
    assert None is backend.get("a")
    assert {} == backend.wait(["a"], 0)
    assert first is sa.inspect(database).has_table("celery_taskmeta")
    backend.forget(["a"])
    assert 0 == backend.cleanup()
    backend.store_many([record()])
    assert b"{}" == backend.get("a")


def test_names_and_schemas_of_the_settings(make, database, record):
    schemas = {}
    if database.dialect.name == "postgresql":
        with database.connect() as db:
            db.execute(sa.text("CREATE SCHEMA apart"))
        schemas = {"task": "apart", "group": "apart"}
    backend = make(database_table_names={"task": "mine", "group": "sets"}, database_table_schemas=schemas)
    backend.store_many([record()])

    assert EXPIRES in columns(database, "mine", schemas.get("task"))
    assert set(TaskSet.__table__.columns.keys()) == columns(database, "sets", schemas.get("group"))
    assert b"{}" == backend.get("a")


def test_tables_that_are_dropped_meanwhile_are_made_again(backend, database, record):
    backend.store_many([record()])
    with database.connect() as db:
        db.execute(sa.text("DROP TABLE celery_taskmeta"))
    with pytest.raises(Exception, match="result store"):
        backend.store_many([record()])
    backend.store_many([record()])
    assert b"{}" == backend.get("a")
