"""Commands about the pool, typed on the command line, in every pool."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from kernelq_testkit.waiting import patience

POOLS = ["prefork", "threads", "asyncio", "gevent"]


def control(folder: Path, *words: str) -> tuple[int, str]:
    """Type `kernelq control …` for the worker; return exit code and output."""
    command = [sys.executable, "-m", "kernelq.cli.main", "-A", "tasks", "control", *words, "-d", "w1@test", "-t", "20"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=patience(60))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
def test_slots_come_and_go_and_hosts_are_replaced(project: Any, start: Any, until: Any, pool: str) -> None:
    worker = start("-c", "1", "-P", pool).ready()

    code, output = control(project.folder, "pool_grow", "2")
    assert (0, "pool will grow") == (code, output.splitlines()[1].strip()), output
    first = [project.send("until_let_go", key) for key in ("a", "b", "c")]
    hosts = {project.pid_of(key) for key in ("a", "b", "c")}  # three at a time
    for key in ("a", "b", "c"):
        project.let_go(key)
    assert ["a", "b", "c"] == [one.get(timeout=patience(60)) for one in first]

    code, output = control(project.folder, "pool_shrink", "2")
    assert (0, "pool will shrink") == (code, output.splitlines()[1].strip()), output
    assert 1 == most_at_once(project, [f"after-{number}" for number in range(4)])

    code, output = control(project.folder, "pool_restart")
    assert (0, "reload started") == (code, output.splitlines()[1].strip()), output
    numbers = count()
    until(
        lambda: ran_in(project, f"new-{next(numbers)}") not in hosts,
        "a new host, which is ready before the old one goes",
    )
    assert worker.process.poll() is None


def ran_in(project: Any, key: str) -> int:
    """Run a task of this key, and return the process that ran it."""
    project.send("work", key).get(timeout=patience(60))
    return int(project.pid_of(key))


def most_at_once(project: Any, keys: list[str]) -> int:
    """Run tasks of these keys, and return how many of them ran at a time at most."""
    for one in [project.send("work", key, 0.1) for key in keys]:
        one.get(timeout=patience(60))
    running = most = 0
    for word, key, _ in project.ledger():
        if key in keys:
            running += 1 if word == "start" else -1
            most = max(most, running)
    return most


def test_mistakes_are_told_with_what_to_type(project: Any, start: Any) -> None:
    start("-c", "1", "-P", "solo").ready()

    for words, code, told in (
        (["pool_grow"], 1, "the pool solo cannot grow"),
        (["pool_grow", "many"], 2, "N is a whole number, not 'many'"),
        (["pool_glow"], 1, "Did you mean 'pool_grow'? This worker knows: "),
    ):
        found, output = control(project.folder, *words)
        assert code == found, output
        assert told in output
