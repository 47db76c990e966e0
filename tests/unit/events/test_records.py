"""One worker, one task."""

from __future__ import annotations

import logging
import time

import pytest
from celery import states as celerys

from kernelq.events.records import HEARTBEATS, PRECEDENCE, Task, Worker, precedence


def test_the_precedence_is_celerys():
    assert celerys.PRECEDENCE == list(PRECEDENCE)
    assert celerys.precedence("PROGRESS") == precedence("PROGRESS")


def test_only_the_last_heartbeats_are_kept_in_order():
    worker = Worker("w@h")
    for at in (5.0, 3.0, 7.0, 1.0, 9.0, 8.0):
        worker.seen(at, at)

    assert HEARTBEATS == len(worker.heartbeats)
    assert [7.0, 8.0, 9.0] == worker.heartbeats[1:]


def test_a_clock_that_is_wrong_is_told_once(caplog: pytest.LogCaptureFixture):
    worker, now = Worker("w@h"), time.time()
    with caplog.at_level(logging.WARNING, "kernelq.events"):
        for _ in range(3):
            worker.seen(now - 3600, now)

    assert 1 == caplog.text.count("the clocks of w@h and of this machine seem to differ by 3600 seconds")


def test_names_and_ids_tell_records_apart():
    assert Worker("w@h", pid=1) == Worker("w@h", pid=2) != Worker("x@h")
    assert 1 == len({Task("a", state="SUCCESS"), Task("a")})
    assert Worker("w@h") != "w@h"
    assert Task("a") != "a"


def test_where_a_task_comes_from():
    task = Task("t", client="gen1@c")
    assert "gen1@c" == task.origin
    task.worker = Worker("w@h", pid=4)
    assert "w@h.4" == task.origin


def test_what_is_worth_showing_is_what_is_known():
    task = Task("t", args="(1,)", result="3", extra={"progress": 0.5})

    assert {"args": "(1,)", "result": "3"} == task.info()
    assert {"state": "PENDING", "progress": 0.5} == task.info(["state"], extra=["progress"])
