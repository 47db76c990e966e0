from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from kernelq.delivery import Settlement, Verdict
from kernelq.outcome import Record
from kernelq_sqlite.backend import SqliteBackend


@pytest.fixture
def open_backend(url, settings):
    made = []

    def make():
        made.append(SqliteBackend(url, settings))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(open_backend):
    return open_backend()


def record(task_id="a", state="SUCCESS", payload=b"1", expires=60.0):
    return Record(task_id, state, payload, expires)


def test_stored_can_be_read_and_forgotten(backend):
    backend.store_many([record("a"), record("b", payload=b"2")])
    assert (b"1", b"2", None) == (backend.get("a"), backend.get("b"), backend.get("c"))
    backend.forget(["a"])
    assert backend.get("a") is None


def test_a_worker_on_the_same_file_drops_expired_results(backend, consume, url, monkeypatch):
    """Many go a part at a time, sweep by sweep; those that have not expired stay."""
    monkeypatch.setattr("kernelq_sqlite.recovery._RESULTS_AT_ONCE", 2)
    backend.store_many([record(name, expires=0.0) for name in "abc"] + [record("d")])

    def stored():
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
            return [name for (name,) in db.execute("SELECT task_id FROM result")]

    assert 4 == len(stored())
    consume().loop.until(lambda: ["d"] == stored(), 4.0)  # sooner than two tidyings are apart


def test_a_success_is_never_overwritten(backend):
    """Other states give way to newer ones; SUCCESS does not."""
    backend.store_many([record(state="STARTED", payload=b"s"), record(state="FAILURE", payload=b"f")])
    assert b"f" == backend.get("a")
    backend.store_many([record(payload=b"won"), record(payload=b"again"), record(state="FAILURE", payload=b"late")])
    assert b"won" == backend.get("a")


def test_a_settlement_stores_its_record_in_the_same_way(backend, transport, sender, consume, message):
    """The lane commits results of a backend on its own file, and a late failure does not undo a success."""
    sender.publish(message())
    consumer = consume()
    assert consumer.lane.commits(backend)
    (delivery,) = consumer.wait(1)
    backend.store_many([record("id-x", payload=b"won")])
    late = Settlement(delivery, Verdict.ACK, record=record("id-x", "FAILURE", b"late"))
    consumer.lane.settle([late])
    assert b"won" == backend.get("id-x")


def test_the_lane_refuses_other_backends(consume, settings, tmp_path):
    other = SqliteBackend(f"sqlite:///{tmp_path}/other.db", settings)
    assert not consume().lane.commits(other)


def test_results_expire(backend):
    backend.store_many([record("old", expires=-1.0), record("new"), record("ever", expires=None)])
    assert backend.get("old") is None
    assert {} == backend.wait(["old"], 0.0)
    assert 1 == backend.cleanup()
    assert (b"1", b"1") == (backend.get("new"), backend.get("ever"))


@pytest.mark.usefixtures("only_bells")
def test_wait_is_woken_by_a_store(backend, open_backend):
    """A waiter sleeps until another connection stores; a state that is not ready does not wake it."""
    other = open_backend()

    def store():
        other.store_many([record(state="STARTED")])
        other.store_many([record(payload=b"done")])

    timer = threading.Timer(0.2, store)
    timer.start()
    found = backend.wait(["z", "a"], 30)
    timer.join()
    assert {"a": b"done"} == found


@pytest.mark.usefixtures("only_bells")
def test_wait_ends_in_time(backend):
    started = time.monotonic()
    assert {} == backend.wait(["a"], 0.1)
    assert 0.1 <= time.monotonic() - started < 30


@pytest.mark.usefixtures("only_bells")
async def test_wait_async_leaves_the_loop_free_and_nothing_behind(backend, open_backend):
    """While it waits the loop turns; when it is cancelled no reader stays."""
    other = open_backend()
    waiting = asyncio.create_task(backend.wait_async(["a"], 60))
    await asyncio.sleep(0)
    other.store_many([record(payload=b"done")])
    assert {"a": b"done"} == await asyncio.wait_for(waiting, 30)
    cancelled = asyncio.create_task(backend.wait_async(["b"], None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    readers = asyncio.get_running_loop()._selector.get_map()
    assert 1 == len(readers)  # asyncio's own
    assert {} == await backend.wait_async(["b"], 0.05)


def test_many_waiters_and_many_ids(backend):
    backend.store_many([record(str(n)) for n in range(1500)])
    assert 1500 == len(backend.wait([str(n) for n in range(1500)], 10))
