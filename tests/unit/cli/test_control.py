"""`kernelq control` tells workers to do something."""

from __future__ import annotations


def test_it_knows_the_commands_that_change_something(app, run):
    assert "rate_limit TASK_NAME RATE_LIMIT [BURST]\tLimit a task.\n" == run("control", "-l", "-o", "plain").stdout


def test_the_workers_are_chosen_by_pattern(app, run):
    run("control", "rate_limit", "a", "1/s", "-p", "w*")
    asked = app.control.asked[0][1]
    assert ("w*", "glob", None) == (asked["pattern"], asked["matcher"], asked["destination"])
