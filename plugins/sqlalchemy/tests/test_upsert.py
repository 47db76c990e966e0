"""The one statement."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from kernelq.kernel.errors import ConfigurationError
from kernelq_sqlalchemy import upsert
from kernelq_sqlalchemy.tables import tables


@pytest.mark.broker
def test_among_writers_at_once_one_success_stays_and_nothing_fails(make, record, database):
    """Eight stores write the same twenty tasks, in batches, success and failure mixed."""
    stores = [make() for _ in range(8)]
    go = threading.Barrier(8)
    seen, errors = [], []

    def write(number, store):
        go.wait(30)
        try:
            for _ in range(5):
                store.store_many([record(f"t{n}", "FAILURE", f'"{number}"'.encode()) for n in range(20)])
                store.store_many([record(f"t{n}", payload=f'"{number}"'.encode()) for n in reversed(range(20))])
                seen.append([store.get(f"t{n}") for n in range(20)])
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert [] == errors
    assert 1 == len({tuple(one) for one in seen})
    with database.connect() as db:
        assert [(20, 20)] == db.execute(
            sa.text("SELECT count(*), count(DISTINCT task_id) FROM celery_taskmeta WHERE status = 'SUCCESS'")
        ).all()


def test_other_databases_are_refused_by_name():
    with pytest.raises(ConfigurationError, match="not in oracle"):
        upsert.statement("oracle", tables({}, {}).task, ["task_id", "status"], None)


def test_mysql_assigns_the_status_last():
    """Each assignment sees those before it."""
    made = tables({}, {})
    insert = upsert.statement("mysql", made.task, ["status", "task_id", "result"], None)
    text = str(insert.compile(dialect=sa.create_engine("mysql+pymysql://").dialect))

    assert text.index("result = ") < text.index("status = CASE")
    assert "%" not in text.partition("ON DUPLICATE")[2]  # else PyMySQL could not send many rows at once
