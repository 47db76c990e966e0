"""How words become arguments, and whom they reach."""

from __future__ import annotations

import pytest


def test_inspect_sends_the_arguments_that_the_signature_names(app, run):
    app.control.replies = [{"w1": {"ok": "new rate limit set"}}]
    result = run("control", "rate_limit", "app.add", "10/m", "burst=3", "-d", "w1,w2", "-d", "w3", "-t", "2")
    assert 0 == result.exit_code
    assert "-> w1: OK\n    new rate limit set\n" == result.stdout
    command, asked = app.control.asked[0]
    assert ("rate_limit", {"task_name": "app.add", "rate_limit": "10/m", "burst": 3}) == (command, asked["arguments"])
    assert ["w1", "w2", "w3"] == asked["destination"]


def test_a_list_takes_every_word_that_is_left_as_text_and_names_go_on(app, run):
    run("inspect", "query_task", "a", "12", "c", "deep=true")
    assert {"ids": ["a", "12", "c"], "deep": True} == app.control.asked[0][1]["arguments"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["app.add"], "RATE_LIMIT is missing"),
        (["a", "1/s", "2", "3"], "'3' is one argument too many"),
    ],
)
def test_arguments_that_do_not_fit_show_the_usage_and_are_not_sent(app, run, words, problem):
    result = run("control", "rate_limit", *words)
    assert 2 == result.exit_code
    assert f"{problem}; usage: kernelq control rate_limit TASK_NAME RATE_LIMIT [BURST]" in result.stderr
    assert [] == app.control.asked


def test_a_command_that_is_not_installed_goes_out_with_named_arguments_and_a_hint(app, run):
    app.control.replies = [{"w1": []}]
    result = run("inspect", "pnig", "deep=true")
    assert "Did you mean 'ping'?" in result.stderr
    assert ("pnig", {"deep": True}) == (app.control.asked[0][0], app.control.asked[0][1]["arguments"])
    assert 2 == run("inspect", "pnig", "deep").exit_code
