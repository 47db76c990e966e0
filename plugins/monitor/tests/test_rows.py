"""What the tables show."""

from __future__ import annotations

import time

import pytest

from kernelq.events.records import Task, Worker
from kernelq_monitor.rows import TASKS, WORKERS, clock, matches, ordered


def texts(columns, record):
    return {column.title: column.cell(record).plain for column in columns}


def test_a_worker_of_which_nothing_is_known_is_shown():
    row = texts(WORKERS, Worker("w@h"))

    assert {
        "worker": "w@h",
        "state": "OFFLINE",
        "active": "-",
        "processed": "-",
        "load": "-",
        "seen": "-",
    }.items() <= row.items()


def test_a_task_is_shown():
    at = time.time()
    row = texts(TASKS, Task("t1", name="add", state="SUCCESS", timestamp=at, runtime=0.5, worker=Worker("w@h")))

    assert {
        "time": clock(at),
        "uuid": "t1",
        "name": "add",
        "worker": "w@h",
        "state": "SUCCESS",
        "runtime": "0.500",
    } == row


def test_what_a_sender_wrote_steers_no_terminal():
    cell = TASKS[2].cell(Task("t1", name="[red]a\x1b[2Jb"))

    assert "[red]a\\x1b[2Jb" == cell.plain
    assert [] == cell.spans


@pytest.mark.parametrize(("words", "expected"), [([], True), (["add", "w@"], True), (["(1,"], True), (["mul"], False)])
def test_a_search_looks_into_every_column_and_the_arguments(words, expected):
    task = Task("t1", name="shop.Add", args="(1, 2)", worker=Worker("w@h"))

    assert expected == matches(task, words)


def test_every_column_sorts_what_is_not_known():
    for columns, records in (
        (WORKERS, [Worker("b"), Worker("a", active=1)]),
        (TASKS, [Task("b"), Task("a", name="x")]),
    ):
        for column in columns:
            assert 2 == len(ordered(records, column, reverse=True))
    assert ["a", "b"] == [one.uuid for one in ordered([Task("b"), Task("a")], TASKS[1], reverse=False)]
