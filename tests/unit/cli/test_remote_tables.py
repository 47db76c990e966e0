"""Records of all workers in one table."""

from __future__ import annotations

import time

import pytest

from kernelq.cli.remote_tables import COLUMNS, rows

TASK = {"id": "1", "name": "t.add", "args": [1], "kwargs": {}, "time_start": time.time() - 5, "worker_pid": 7}


def test_running_tasks_of_all_workers():
    found = rows("active", {"a@h": [{**TASK, "time_start": time.time() - 5}], "b@h": []})

    assert found is not None
    assert [("a@h", "1", "t.add")] == [(row["worker"], row["id"], row["name"]) for row in found]
    assert 5 <= found[0]["seconds"] < 60


def test_what_is_scheduled_has_its_request_in_the_row():
    (row,) = rows("scheduled", {"a@h": [{"eta": "soon", "priority": 6, "request": TASK}]}) or ()

    assert ("soon", "1") == (row["eta"], row["id"])
    assert set(COLUMNS["scheduled"]) <= set(row)


@pytest.mark.parametrize(("exchange", "shown"), [("", "(default)"), ("mail", "mail")])
def test_the_exchange_of_a_queue_is_its_name(exchange, shown):
    (row,) = rows("active_queues", {"a@h": [{"name": "q", "exchange": {"name": exchange}}]}) or ()

    assert shown == row["exchange"]


@pytest.mark.parametrize(
    ("command", "replies"),
    [
        ("ping", {"a@h": {"ok": "pong"}}),
        ("active", {"a@h": [], "b@h": []}),
        ("active", {"a@h": [TASK], "b@h": {"error": "no"}}),
        ("active", {"a@h": [TASK], "b@h": ["text"]}),
        ("active", {}),
    ],
)
def test_other_replies_are_no_table(command, replies):
    assert rows(command, replies) is None
