"""What inspect and control print."""

from __future__ import annotations

import json


def test_help_shows_the_installed_commands(app, run):
    result = run("inspect", "--help")
    assert "Commands installed here:\n  ping                   Answer.\n" in result.stdout
    assert "rate_limit" not in result.stdout
    assert "rate_limit TASK_NAME RATE_LIMIT [BURST]" in run("control", "--help").stdout


def test_json_is_one_object_on_stdout_before_and_after_the_command(app, run):
    app.control.replies = [{"w1": {"ok": "pong"}}]
    for words in (["inspect", "ping", "-j"], ["-o", "json", "inspect", "ping"], ["inspect", "ping", "-o", "json"]):
        assert {"w1": {"ok": "pong"}} == json.loads(run(*words).stdout)


def test_no_reply_is_an_empty_object_and_exit_one(app, run):
    result = run("inspect", "ping", "-j")
    assert (1, {}) == (result.exit_code, json.loads(result.stdout))


def test_a_refused_command_exits_with_one(app, run):
    app.control.replies = [{"w1": {"error": "unknown task"}}]
    result = run("control", "rate_limit", "a", "1/s")
    assert (1, "-> w1: ERROR\n    unknown task\n") == (result.exit_code, result.stdout)


def test_list_shows_the_usage_and_summary_of_installed_commands_of_its_kind(app, run):
    result = run("inspect", "--list")
    assert (
        "COMMAND                SUMMARY\nping                   Answer.\nquery_task IDS [DEEP]  Tell of tasks.\n"
    ) == result.stdout


def test_help_of_one_command_comes_from_its_signature_and_docstring(app, run):
    result = run("control", "rate_limit", "--help")

    assert 0 == result.exit_code
    assert "Usage: kernelq control [OPTIONS] rate_limit TASK_NAME RATE_LIMIT [BURST]\n" in result.stdout
    assert "Limit a task." in result.stdout
    assert "  TASK_NAME   text\n" in result.stdout
    assert "  [BURST]     a whole number; 1 unless given\n" in result.stdout
    assert [] == app.control.asked


def test_help_of_an_unknown_command_suggests_one(app, run):
    result = run("control", "rate_limt", "-h")

    assert 2 == result.exit_code
    assert "Did you mean 'rate_limit'?" in result.stderr


def test_records_are_one_table_over_all_workers(app, run):
    task = {"id": "1", "name": "t.add", "args": [1], "kwargs": {}}
    app.control.replies = [{"w2": [task]}, {"w1": [{**task, "id": "2"}]}]

    assert ("WORKER  ID  NAME   ARGS  KWARGS\nw1      2   t.add  [1]   {}\nw2      1   t.add  [1]   {}\n") == run(
        "inspect", "reserved"
    ).stdout


def test_a_revoke_that_nobody_hears_is_kept(app, run):
    result = run("control", "revoke", "task_id=some-id")
    assert (0, True) == (result.exit_code, "it is kept for workers that start later" in result.stderr)

    app.control.kept = None
    result = run("control", "revoke", "task_id=some-id")
    assert (1, 1) == (result.exit_code, result.stderr.count("workers that start later will not know of this"))
    app.control.kept = object()
    assert 1 == run("control", "revoke", "task_id=some-id", "-d", "w1").exit_code


def test_a_revoke_that_nobody_keeps_says_so_though_it_is_heard(app, run):
    app.control.kept = None
    app.control.replies = [{"w1": {"ok": "tasks some-id flagged as revoked"}}]

    result = run("control", "revoke", "task_id=some-id")

    assert (0, True) == (result.exit_code, "workers that start later will not know of this" in result.stderr)
    assert "flagged as revoked" in result.stdout


def test_a_pattern_may_be_a_regular_expression(app, run):
    run("control", "rate_limit", "a", "1/s", "-p", "^w[0-9]", "-m", "pcre")

    asked = app.control.asked[0][1]
    assert ("^w[0-9]", "pcre") == (asked["pattern"], asked["matcher"])
