"""The store, beyond the shared contract."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from kernelq import KernelQ
from kernelq.kernel.errors import BackendUnreachable, ConfigurationError
from kernelq_sqlalchemy import backend as module
from kernelq_sqlalchemy.backend import DatabaseBackend

pytestmark = pytest.mark.broker


def test_an_app_finds_it_by_its_url(tmp_path):
    for scheme in ("db+sqlite", "database+sqlite"):
        with KernelQ("app", backend=f"{scheme}:///{tmp_path}/r.db") as app:
            assert isinstance(app.backend, DatabaseBackend)
            assert f"{scheme}:///{tmp_path}/r.db" == app.backend.safe_url()
    with KernelQ("app", backend="database") as app, pytest.raises(ConfigurationError, match="db\\+postgresql"):
        app.backend  # noqa: B018 - it is asked for


def test_a_batch_is_stored_whole_or_not_at_all(backend, record, database):
    if database.dialect.name == "sqlite":
        return  # it refuses no value
    with pytest.raises(TypeError):
        backend.store_many([record("a"), record("b" * 200)])
    assert None is backend.get("a")


def test_of_one_batch_the_newest_stays_and_a_success_above_all(backend, record):
    backend.store_many(
        [
            record("a", "STARTED", b"1"),
            record("a", payload=b"2"),
            record("a", "FAILURE", b"3"),
            record("b", "RETRY", b"4"),
        ]
    )
    assert (b"2", b"4") == (backend.get("a"), backend.get("b"))


def test_cleanup_takes_what_has_expired_in_parts(backend, record, database, monkeypatch):
    """KernelQ's by their own time, Celery's and saved groups by their date."""
    monkeypatch.setattr(module, "CLEANUP_AT_ONCE", 2)
    backend.store_many([record(name, expires=0.0) for name in "abcde"] + [record("kept", expires=None)])
    old = (datetime.now(UTC) - timedelta(days=2)).replace(tzinfo=None)
    tables = backend._tables
    with database.connect() as db:
        celerys = {"task_id": "celerys", "status": "SUCCESS", "result": b"1", "date_done": old}
        db.execute(sa.insert(tables.task).values(celerys))
        db.execute(sa.insert(tables.task).values({**celerys, "task_id": "new", "date_done": datetime.now()}))
        db.execute(sa.insert(tables.group).values(taskset_id="g", result=b"1", date_done=old))

    assert 7 == backend.cleanup()
    assert b"{}" == backend.get("kept")
    assert backend.get("new") is not None
    assert 0 == backend.cleanup()


def test_cleanup_without_an_expiry_takes_only_what_has_one(make, record):
    backend = make(result_expires=None)
    backend.store_many([record("a", expires=0.0), record("b", expires=None)])
    assert 1 == backend.cleanup()
    assert b"{}" == backend.get("b")


def test_many_ids_are_asked_for_in_parts(backend, record):
    backend.store_many([record(str(number)) for number in range(1200)])
    ids = [str(number) for number in range(1200)]
    assert 1200 == len(backend.wait(ids, 0))
    backend.forget(ids)
    assert {} == backend.wait(ids, 0)
    assert {} == backend.wait([], None)


def test_a_thousand_coroutines_wait_on_one_thread(backend, record):
    async def scene():
        waiting = [asyncio.create_task(backend.wait_async([str(number)], 60)) for number in range(1000)]
        await asyncio.sleep(0)
        before = threading.active_count()
        await asyncio.to_thread(backend.store_many, [record(str(number)) for number in range(1000)])
        found = await asyncio.gather(*waiting)
        return before, found

    threads = threading.active_count()
    before, found = asyncio.run(scene())
    assert [{str(number): b"{}"} for number in range(1000)] == found
    assert before - threads <= 1


def test_a_coroutine_that_waits_no_time_still_looks_once(backend, record):
    backend.store_many([record()])
    assert {"a": b"{}"} == asyncio.run(backend.wait_async(["a"], 0))
    assert {} == asyncio.run(backend.wait_async(["b"], 0))
    assert {} == asyncio.run(backend.wait_async([], None))


def test_a_store_that_goes_away_is_told_to_all_who_wait(make, monkeypatch):
    backend = make()
    backend.get("a")

    def away(*_, **__):
        raise BackendUnreachable("away")

    async def scene():
        waiter = asyncio.create_task(backend.wait_async(["a"], 60))
        await asyncio.sleep(0.01)
        monkeypatch.setattr(backend._engine, "run", away)
        await waiter

    with pytest.raises(BackendUnreachable, match="away"):
        asyncio.run(scene())
