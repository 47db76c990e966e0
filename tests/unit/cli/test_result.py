"""Ask for a result."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("task_id", "code", "stdout", "stderr"),
    [
        ("SUCCESS", 0, "5\n", ""),
        ("FAILURE", 1, "", "FAILURE is FAILURE: ValueError: no such file\n"),
        ("STARTED", 1, "", "STARTED is STARTED\n"),
    ],
)
def test_result(app, run, task_id, code, stdout, stderr):
    result = run("result", task_id)
    assert (code, stdout, stderr) == (result.exit_code, result.stdout, result.stderr)


def test_result_waits_no_longer_than_told(app, run):
    result = run("result", "late", "--wait", "--timeout", "0.1")
    assert (5, "kernelq: error: late has not ended after 0.1 seconds\n") == (result.exit_code, result.stderr)


def test_result_as_json_holds_the_error_in_words(app, run):
    shown = json.loads(run("result", "FAILURE", "-o", "json").stdout)
    assert ("FAILURE", None, "ValueError: no such file") == (shown["state"], shown["result"], shown["error"])


def test_result_traceback(app, run):
    assert "Traceback: …\n" == run("result", "FAILURE", "--traceback").stdout
