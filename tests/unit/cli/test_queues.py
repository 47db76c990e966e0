"""Counts of queues, and queues that are paused."""

from __future__ import annotations

import json

import pytest

from kernelq.kernel.errors import BackendUnreachable


@pytest.mark.parametrize("words", [["queues"], ["queues", "ls"]])
def test_queues_counts(app, run, words):
    assert (
        "NAME    READY  IN_FLIGHT  DELAYED  DEAD  PAUSED\n"
        "celery      3          1        2     1  no\n"
        "mail        0          0        0     1  no\n"
    ) == run(*words).stdout


def test_paused_queues_are_marked_also_those_that_nobody_has_made(app, run):
    assert "paused: mail, later\n" == run("queues", "pause", "mail", "later").stderr
    assert app.control.seconds is None

    found = {one["name"]: one["paused"] for one in json.loads(run("queues", "ls", "-o", "json").stdout)}
    assert {"celery": False, "later": True, "mail": True} == found


def test_a_queue_can_be_paused_for_a_time(app, run):
    run("queues", "pause", "mail", "--for", "90")

    assert 90 == app.control.seconds
    assert 2 == run("queues", "pause", "mail", "--for", "0").exit_code


def test_queues_are_resumed(app, run):
    app.control.paused = ["mail"]

    result = run("queues", "resume", "mail", "celery")
    assert (0, "resumed 1 of 2\n") == (result.exit_code, result.stderr)
    assert 1 == run("queues", "resume", "mail").exit_code


def test_counts_are_shown_though_nobody_can_tell_what_is_paused(app, run, monkeypatch):
    def away():
        raise BackendUnreachable("the store is away")

    monkeypatch.setattr(app.control, "paused_queues", away)
    result = run("queues", "ls", "-o", "plain")

    assert "celery\t3\t1\t2\t1\tno\n" in result.stdout
    assert "the store is away" in result.stderr
