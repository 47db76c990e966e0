"""`kernelq inspect` asks, and knows no command that changes something."""

from __future__ import annotations


def test_a_control_command_is_no_inspect_command(app, run):
    result = run("inspect", "rate_limit", "a", "1/s")
    assert 2 == result.exit_code
    assert [] == app.control.asked


def test_without_a_command_it_lists_them_and_is_a_usage_error(app, run):
    result = run("inspect", "-o", "plain")
    assert (2, "ping\tAnswer.\nquery_task IDS [DEEP]\tTell of tasks.\n") == (result.exit_code, result.stdout)
