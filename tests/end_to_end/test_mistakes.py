"""What a person gets wrong is told in a sentence that says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the command line; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "kernelq.cli.main", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["-A", "nowhere", "worker"], 3, "nowhere"),
        (["-A", "tasks", "worker", "-P", "thread"], 3, "Did you mean 'threads'"),
        (["-A", "tasks", "worker", "-P", "eventlet"], 3, "eventlet"),
        (["-A", "tasks", "worker", "worker_concurency=2"], 3, "Did you mean 'worker_concurrency'"),
        (["-A", "tasks", "worker", "worker_concurrency=many"], 3, "many"),
        (["-A", "tasks", "worker", "--autoscale=many"], 2, "--autoscale"),
        (["-A", "tasks", "worker", "-c", "none"], 2, "none"),
        (["-A", "tasks", "-b", "memory://", "worker", "-P", "threads"], 3, "-P solo"),
        (["-A", "tasks", "-b", "nosuch://", "worker"], 3, "nosuch"),
        (["-A", "tasks", "worker", "-f", "/nonexistent/dir/log"], 3, "log file"),
    ],
)
def test_it_is_told(project: Any, arguments: list[str], code: int, told: str) -> None:
    found, said = run(project.folder, *arguments)

    assert (code, True) == (found, told in said), said
    assert "Traceback" not in said


def test_a_file_that_is_no_database(project: Any) -> None:
    (project.folder / "kernelq.db").write_text("this is a letter, no database\n" * 100)

    code, said = run(project.folder, "-A", "tasks", "worker")

    assert 3 == code, said
    assert "kernelq.db" in said
    assert "Traceback" not in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(project: Any) -> None:
    project.folder.chmod(0o500)

    code, said = run(project.folder, "-A", "tasks", "worker")

    assert 3 == code, said
    assert "Traceback" not in said


def test_a_folder_that_is_not_there(project: Any) -> None:
    code, said = run(project.folder, "-A", "tasks", "-b", "sqlite:////proc/nowhere/k.db", "worker")

    assert code in (3, 4), said
    assert "/proc/nowhere" in said
    assert "Traceback" not in said
