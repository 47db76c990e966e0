"""Notices in a table against their contract, on every database."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from kernelq.conf import Conf
from kernelq.kernel.errors import BackendUnreachable
from kernelq.notices import QUEUE, TASK
from kernelq_sqlalchemy.backend import DatabaseBackend
from kernelq_testkit import NoticesConformance

pytestmark = pytest.mark.broker


@pytest.fixture
def notices(backend):
    notices = backend.notices()
    yield notices
    notices.close()


class TestNotices(NoticesConformance):
    pass


def test_who_only_asks_makes_no_table(notices, database):
    assert frozenset() == notices.kinds()
    assert [] == sa.inspect(database).get_table_names()


def test_a_name_may_be_text_that_no_database_takes(notices):
    notices.put(TASK, ["zero\0", "half \ud83d", "a", "A"])

    assert {"zero\0", "half \ud83d", "A"} == notices.find(TASK, ["zero\0", "half \ud83d", "A", "zero"])
    assert ["A", "a", "half \\ud83d", "zero\\x00"] == notices.names(TASK)


def test_the_table_is_called_and_placed_as_the_settings_say(make, database):
    notices = make(database_table_names={"notices": "ours"}).notices()
    notices.put(QUEUE, ["mail"])

    assert ["ours"] == sa.inspect(database).get_table_names()
    notices.close()


def test_those_that_begin_at_once_make_the_table_once_and_lose_nothing(make):
    several = [make().notices() for _ in range(6)]
    go, errors = threading.Barrier(6), []
    names = [f"{number:03}" for number in range(50)]

    def begin(notices, mine):
        go.wait(30)
        try:
            notices.put(TASK, mine, 600)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    threads = [
        threading.Thread(target=begin, args=(one, names[::-1] if number % 2 else names))
        for number, one in enumerate(several)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [] == errors
    assert names == several[0].names(TASK)
    for one in several:
        one.close()


def test_a_table_that_was_dropped_is_made_again(notices, database):
    notices.put(QUEUE, ["mail"])
    with database.connect() as db:
        db.execute(sa.text("DROP TABLE kernelq_notices"))

    with pytest.raises(BackendUnreachable):
        notices.names(QUEUE)
    assert [] == notices.names(QUEUE)
    notices.put(QUEUE, ["other"])
    assert ["other"] == notices.names(QUEUE)


def test_a_database_that_is_away_is_told():
    notices = DatabaseBackend("db+postgresql://nobody@127.0.0.1:1/none", Conf()).notices()

    with pytest.raises(BackendUnreachable):
        notices.kinds()
