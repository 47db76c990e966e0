"""The command `kernelq dev`, up to where the worker's own begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def dev(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type it in a folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KERNELQ_")}
    return subprocess.run(
        [sys.executable, "-m", "kernelq.cli.main", "dev", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_where_there_is_no_app_it_says_what_to_type(tmp_path: Path) -> None:
    done = dev(tmp_path)

    assert 3 == done.returncode
    assert "type kernelq dev -A MODULE" in done.stderr


def test_the_app_that_is_typed_wins(project: Path) -> None:
    """Nothing is looked for then."""
    done = dev(project, "-A", "gone")

    assert 3 == done.returncode
    assert "there is no module 'gone'" in done.stderr
    assert "the app is" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--no-such-option",), 2, "--no-such-option"),
        (("-c", "none"), 2, "worker_concurrency"),
        (("-P", "solo"), 3, "the pool solo has none"),
        (("-P", "no_such_pool"), 3, "asks for 'no_such_pool'"),
    ],
)
def test_the_options_are_those_of_the_worker(project: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = dev(project, *arguments)

    assert code == done.returncode
    assert said in done.stderr


def test_it_says_where_messages_are_kept_when_nobody_chose_a_broker(project: Path) -> None:
    (project / "tasks.py").write_text("from kernelq import KernelQ\napp = KernelQ()\n")

    done = dev(project, "-P", "no_such_pool")

    assert "no broker is set; messages and results are kept in kernelq.db" in done.stderr
    assert "no broker is set" not in dev(project, "-P", "no_such_pool", "-q").stderr
