"""Workers with a state file, that are stopped and killed."""

from __future__ import annotations

import signal
from typing import Any

import pytest


def ask(project: Any, command: str, **arguments: Any) -> Any:
    replies = project.app.control.broadcast(command, arguments, ["w1@test"], reply=True, timeout=30, limit=1)
    assert replies, f"{command} was not answered"
    return replies[0]["w1@test"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_revokes_and_the_clock_outlive_the_worker(project: Any, start: Any, how: int) -> None:
    worker = start("-P", "threads", "-S", "%n.state").ready()
    ids = [f"task-{number}" for number in range(50)]
    assert "ok" in ask(project, "revoke", task_id=ids)
    before = ask(project, "clock")["clock"]
    worker.signal(how)
    worker.exit_code()

    start("-P", "threads", "--statedb", "%n.state", "--without-mingle").ready()

    assert sorted(ids) == sorted(ask(project, "revoked"))
    assert before < ask(project, "clock")["clock"]
    assert (project.folder / "w1.state").exists()


def test_a_file_that_is_in_use_is_told_at_the_start(project: Any, start: Any) -> None:
    start("-P", "threads", "-S", "one.state").ready()

    second = start("-P", "threads", "-S", "one.state", name="w2")

    assert 0 != second.exit_code()
    second.wait_for("one.state is in use by another worker; each worker needs its own")
    assert "Traceback" not in second.log
