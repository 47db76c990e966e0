"""Which workers are up."""

from __future__ import annotations


def test_status_lists_the_workers_that_answer(app, run):
    app.control.replies = [{"celery@b": {"ok": "pong"}}, {"celery@a": {"ok": "pong"}}]
    result = run("status")
    assert result.exit_code == 0
    assert "WORKER    STATE\ncelery@a  OK\ncelery@b  OK\n" == result.stdout
    assert "2 workers online\n" == result.stderr


def test_status_exits_with_one_where_nobody_answers(app, run):
    result = run("status", "-t", "0.5")
    assert (1, "", "no worker answered within 0.5 seconds\n") == (result.exit_code, result.stdout, result.stderr)
    assert app.control.asked[0][1]["timeout"] == 0.5
