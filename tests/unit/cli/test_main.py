"""Exit codes, and errors as one sentence, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--version"], 0, ""),
        (["config", "show", "--no-such"], 2, "No such option"),
        (["confg"], 2, "Did you mean 'config'?"),
        (["config", "shwo"], 2, "Did you mean 'show'?"),
        (["--brokr", "x", "status"], 2, "--broker"),
        (["-A", "absent", "config", "show"], 3, "there is no module 'absent'"),
        (["-A", "typo", "config", "show"], 3, "typo.py:1"),
        (["-b", "gopher://x", "queues", "-A", "shop"], 3, "gopher"),
        (["steps", "why", "Step00", "Step1", "-A", "shop"], 3, "Did you mean 'Step"),
        (["steps", "why", "Step00", "Step39", "-A", "shop"], 0, ""),
    ],
)
def test_exit_codes_and_one_sentence_without_traceback(kernelq, words, code, says):
    done = kernelq(*words)
    assert code == done.returncode, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert code != 3 or 1 == done.stderr.count("\n")


def test_an_unreachable_broker_is_exit_four(kernelq):
    done = kernelq("-A", "shop", "call", "a.b", "-b", "gone://nowhere")
    assert (4, "kernelq: error: gone://nowhere did not answer within 4 seconds\n") == (done.returncode, done.stderr)


def test_a_traceback_is_shown_to_those_who_ask(kernelq):
    assert "Traceback" in kernelq("--traceback", "-A", "absent", "config", "show").stderr
    assert "Traceback" in kernelq("-A", "absent", "config", "show", KERNELQ_DEBUG="1").stderr


def test_a_reader_that_goes_away_is_no_error(folder):
    script = f"{sys.executable} -m kernelq.cli.main -A shop steps graph -o json | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert ("{0\n", "") == (done.stdout, done.stderr)
