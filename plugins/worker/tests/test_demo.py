"""The demo is a promise in the README: a real worker, a killed host, and every task executed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kernelq_testkit.waiting import patience


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kernelq", "demo", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=patience(90))


def test_a_host_is_killed_halfway_and_every_task_is_executed(tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.txt").write_text("kernel queue kernel\n" * 200)

    ended = demo(str(tmp_path), "--tasks", "400", "-c", "2")

    assert 0 == ended.returncode, ended.stderr
    assert "executed: 400 of 400 tasks" in ended.stdout
    assert "tasks lost: 0" in ended.stdout
    assert "kernel 160,000, queue 80,000" in ended.stdout


def test_a_folder_without_texts_is_refused_with_a_sentence(tmp_path: Path) -> None:
    ended = demo(str(tmp_path))

    assert 3 == ended.returncode
    assert "has no text files" in ended.stderr
