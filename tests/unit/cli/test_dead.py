"""The dead set: ls, show, replay, drop."""

from __future__ import annotations

import json

import pytest


def test_dead_ls_is_one_line_a_message(app, run):
    assert 3 == len(run("dead", "ls").stdout.splitlines())


def test_dead_show_has_the_body_as_data(app, run):
    assert [[1], {}, {}] == json.loads(run("dead", "show", "1", "-o", "json").stdout)["body"]


def test_dead_show_of_an_unknown_id_is_negative(app, run):
    assert 1 == run("dead", "show", "9").exit_code


def test_dead_replay_by_id(app, run):
    assert (0, ["1"]) == (run("dead", "replay", "1").exit_code, app.transport.admin().replayed)


def test_dead_drop_of_a_queue_asks(app, run):
    assert "Drop 1 buried messages?" in run("dead", "drop", "-Q", "mail", input="n\n").stderr
    assert [] == app.transport.admin().dropped
    assert 0 == run("dead", "drop", "-Q", "mail", "--yes").exit_code
    assert ["2"] == app.transport.admin().dropped


def test_dead_drop_dry_run(app, run):
    result = run("dead", "drop", "--all", "--dry-run", "-o", "jsonl")
    assert ('{"id": "1"}\n{"id": "2"}\n', []) == (result.stdout, app.transport.admin().dropped)


@pytest.mark.parametrize("words", [["replay"], ["drop"], ["replay", "1", "--all"]])
def test_dead_needs_to_know_which(app, run, words):
    assert 2 == run("dead", *words).exit_code
