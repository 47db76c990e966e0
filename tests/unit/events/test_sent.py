"""Who sends a task tells monitors, where the settings want it."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest
from celery.utils.nodenames import anon_nodename

from kernelq.events.sent import SentEvents
from kernelq_testkit.waiting import eventually


@pytest.fixture
def seen() -> list[dict[str, Any]]:
    return []


@contextlib.contextmanager
def watched(cluster, seen):
    receiver = cluster.app.events.Receiver(handlers={"*": seen.append})
    with cluster.capturing(receiver, wakeup=False):
        yield


@pytest.fixture
def add(cluster):
    cluster.app.conf.update(task_send_sent_event=True, task_default_queue=f"{cluster.name}.q")

    @cluster.app.task(name="proj.add")
    def add(a, b): ...

    yield add
    cluster.app.close()
    if cluster.app.conf.broker_url != "memory://":
        cluster.app.control.purge([f"{cluster.name}.q"])


def test_the_event_has_every_field(cluster, add, seen):
    with watched(cluster, seen):
        result = add.apply_async((1,), {"b": 2}, expires=60)
        eventually(lambda: seen, 30, wanted="an event")

    (one,) = seen
    expires = one.pop("expires")
    for name in ("timestamp", "local_received", "clock", "utcoffset"):
        one.pop(name)
    assert {
        "type": "task-sent", "uuid": result.id, "root_id": result.id, "parent_id": None, "name": "proj.add",
        "args": "(1,)", "kwargs": "{'b': 2}", "retries": 0, "eta": None, "queue": f"{cluster.name}.q",
        "exchange": "", "routing_key": f"{cluster.name}.q", "hostname": anon_nodename(), "pid": os.getpid(),
    } == one  # fmt: skip
    assert expires.startswith("20")


def test_several_tell_in_one_message(memory, seen):
    memory.app.conf.update(task_send_sent_event=True)

    @memory.app.task
    def add(a, b): ...

    with watched(memory, seen):
        results = memory.app.send_many(add.s(n, n) for n in range(3))
        eventually(lambda: len(seen) == 3, 30, wanted="three events")

    assert [one.id for one in results] == [one["uuid"] for one in seen]


def test_nobody_is_told_unless_the_settings_want_it(memory, seen):
    @memory.app.task
    def add(a, b): ...

    with watched(memory, seen):
        add.delay(1, 2)
        memory.app.conf.update(task_send_sent_event=True)
        later = add.delay(1, 2)
        eventually(lambda: seen, 30, wanted="an event")

    assert [later.id] == [one["uuid"] for one in seen]


def test_no_broker_for_events_is_no_error(make_cluster):
    away = make_cluster("redis://127.0.0.1:1/0")
    tell = SentEvents(away.app)
    tell([away.app.amqp.message("proj.add", (1, 2))])

    assert 1 == len(tell._dispatcher().backlog)
    tell.close()


def test_an_error_is_logged_and_not_raised(memory, caplog, monkeypatch):
    monkeypatch.setattr("kernelq.events.sent.fields", lambda message: {"uuid": object()})
    tell = SentEvents(memory.app)
    tell([memory.app.amqp.message("proj.add", (1, 2))])

    assert "no event tells of 1 tasks that were sent" in caplog.text
    tell.close()


def test_a_forked_child_has_a_connection_and_a_pid_of_its_own(memory, monkeypatch):
    """To fork here would mean to fork beside threads, so the child is played."""
    tell = SentEvents(memory.app)
    parents = tell._dispatcher()
    monkeypatch.setattr(os, "getpid", lambda: 4711)

    childs = tell._dispatcher()

    assert (True, 4711) == (childs is not parents, childs.pid)
    assert childs is tell._dispatcher()
