"""Send a task by name."""

from __future__ import annotations

import pytest


def test_call_prints_the_id_and_sends_what_was_typed(app, run):
    result = run("call", "app.add", "--args", "[2, 3]", "--kwargs", '{"x": 1}', "--countdown", "5", "-Q", "mail")
    assert (0, "new-id\n") == (result.exit_code, result.stdout)
    assert [("app.add", [2, 3], {"x": 1}, {"countdown": 5.0, "queue": "mail"})] == app.sent


def test_call_waits_and_prints_the_result(app, run):
    result = run("call", "app.add", "--wait")
    assert (0, "5\n", "sent new-id\n") == (result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--args", "[2,"], "is not a JSON list"),
        (["--args", '{"a": 1}'], "write it like '[2, 3]'"),
        (["--kwargs", "[1]"], "is not a JSON object"),
        (["--eta", "soon"], "is not a time like"),
        (["--countdown", "1", "--eta", "2030-01-01"], "exclude each other"),
    ],
)
def test_call_refuses_what_it_cannot_read_and_sends_nothing(app, run, words, problem):
    result = run("call", "app.add", *words)
    assert 2 == result.exit_code
    assert problem in result.stderr
    assert [] == app.sent


def test_an_eta_without_offset_is_local_time(app, run):
    run("call", "app.add", "--eta", "2030-01-31T12:00:00")
    assert app.sent[0][3]["eta"].tzinfo is not None
