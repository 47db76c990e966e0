"""What is killed loses nothing; counted by identity."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

TASKS = 60


def test_a_killed_host_costs_its_own_tasks_a_redelivery(project: Any, start: Any, until: Any) -> None:
    """Every accepted task ends, and the worker's main process lives on."""
    worker = start("-c", "2").ready()
    keys = [f"k{n}" for n in range(TASKS)]
    results = {key: project.send("work", key, 0.03) for key in keys}
    until(lambda: len(project.counts("end")) >= 5, "the first tasks")

    os.kill(project.ledger()[-1][2], signal.SIGKILL)

    for key, result in results.items():
        assert key == result.get(timeout=60)
    ended = project.counts("end")
    lost = [key for key in keys if key not in ended]
    assert [] == lost
    doubled = [key for key in keys if project.counts("start")[key] > 1]
    assert len(doubled) <= 2, "only what ran in the killed host starts again"
    assert worker.process.poll() is None


def test_a_task_that_kills_its_host_is_buried_and_others_live(project: Any, start: Any) -> None:
    start("-c", "2").ready()

    poison = project.send("kill_host", "poison")
    others = [project.send("work", f"o{n}", 0.01) for n in range(20)]

    with pytest.raises(Exception, match="hosts"):
        poison.get(timeout=60)
    assert [f"o{n}" for n in range(20)] == [one.get(timeout=60) for one in others]
    assert 3 == project.counts("start")["poison"], "task_max_deliveries"
    dead = project.app.transport.admin().dead()
    assert [poison.id] == [one.task_id for one in dead]
    assert dead[0].reason


def test_a_task_acknowledged_early_runs_at_most_once(project: Any, start: Any) -> None:
    start("-c", "1").ready()

    result = project.send("kill_host_early", "early")

    with pytest.raises(Exception, match=r".+"):
        result.get(timeout=60)
    assert "FAILURE" == result.state
    assert 1 == project.counts("start")["early"]


def test_a_second_worker_takes_over_from_a_killed_one(project: Any, start: Any, until: Any) -> None:
    """What was in flight starts again within seconds; nothing is lost."""
    first = start("-c", "2", name="first").ready()
    keys = [f"k{n}" for n in range(TASKS)]
    results = {key: project.send("work", key, 0.05) for key in keys}
    until(lambda: len(project.counts("end")) >= 5, "the first tasks")

    os.kill(first.process.pid, signal.SIGKILL)
    start("-c", "2", name="second").ready()
    for key, result in results.items():
        assert key == result.get(timeout=60)

    assert set(keys) == set(project.counts("end"))


def test_no_host_outlives_its_worker(project: Any, start: Any, until: Any) -> None:
    worker = start("-c", "1").ready()
    project.send("until_let_go", "forever")
    host = project.pid_of("forever")
    assert host != worker.process.pid

    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()

    def gone() -> bool:
        try:
            os.kill(host, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{host}/stat") as file:
            return ") Z" in file.read()

    until(gone, "the host to end", 15.0)


def test_a_hard_time_limit_fails_the_task_and_the_worker_goes_on(project: Any, start: Any) -> None:
    start("-c", "1", "--time-limit", "0.5").ready()

    stuck = project.send("until_let_go", "never")

    with pytest.raises(Exception, match=r".*"):
        stuck.get(timeout=60)
    assert "FAILURE" == stuck.state
    assert 2 == project.send("add", 1, 1).get(timeout=60)
    assert 1 == project.counts("start")["never"]
