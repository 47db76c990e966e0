"""What is the store's own, beside the contract."""

from __future__ import annotations

import pytest
from pymongo import MongoClient

from kernelq.kernel.errors import BackendUnreachable
from kernelq_testkit.waiting import eventually


@pytest.fixture
def tasks(url):
    """The collection itself, to look at what is in it."""
    with MongoClient(url) as client:
        yield client.get_default_database().celery_taskmeta


def test_of_one_batch_the_newest_stays_and_a_success_above_all(make, record):
    store = make()
    states = ("STARTED", "RETRY", "SUCCESS", "FAILURE")
    store.store_many([record("a", state, state.encode()) for state in states])
    store.store_many([record("b", state, state.encode()) for state in states[:2]])

    assert (b"SUCCESS", b"RETRY") == (store.get("a"), store.get("b"))


def test_one_success_among_many_keeps_nobody_from_being_stored(make, record):
    store = make()
    store.store_many([record("m", payload=b"first")])
    store.store_many([record(name, "FAILURE", name.encode()) for name in ("a", "m", "z")])

    assert [b"a", b"first", b"z"] == [store.get(name) for name in ("a", "m", "z")]


def test_an_expired_success_gives_way(make, record):
    store = make()
    store.store_many([record("a", payload=b"old", expires=0.01)])
    eventually(lambda: store.get("a") is None, 30, wanted="a result that has expired")
    store.store_many([record("a", "FAILURE", b"new")])
    assert b"new" == store.get("a")


def test_cleanup_takes_what_has_expired_ours_and_celerys(make, record, tasks):
    store = make(result_expires=50)
    from datetime import UTC, datetime, timedelta

    old = datetime.now(UTC) - timedelta(seconds=60)
    tasks.insert_many([{"_id": "theirs", "status": "SUCCESS", "result": "1", "date_done": old}])
    tasks.database.celery_groupmeta.insert_many([{"_id": "group", "result": "[]", "date_done": old}])
    store.store_many([record("kept", expires=None), record("ours", expires=-1)])

    assert 3 == store.cleanup()
    assert ["kept"] == [one["_id"] for one in tasks.find()]


def test_a_server_that_is_away_is_unreachable_for_all_who_ask(make, record):
    store = make("mongodb://127.0.0.1:1/x", mongodb_timeout=0.3)
    for work in (
        lambda: store.get("a"),
        lambda: store.store_many([record()]),
        lambda: store.wait(["a"], 10),
        lambda: store.forget(["a"]),
    ):
        with pytest.raises(BackendUnreachable):
            work()
