"""How a worker ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from node_redis import RedisNode


def test_term_lets_running_tasks_end_and_returns_the_others(project: Any, start: Any, until: Any) -> None:
    worker = start("-c", "1").ready()
    running = project.send("until_let_go", "one")
    project.pid_of("one")
    waiting = [project.send("work", f"w{n}") for n in range(10)]

    worker.signal(signal.SIGTERM)
    worker.wait_for("warm shutdown")
    project.let_go("one")

    assert 0 == worker.exit_code()
    assert "SUCCESS" == running.state
    assert {"one": 1} == project.counts("start"), "nothing else began"
    assert (10, 0) == (project.queue().ready, project.queue().in_flight)

    start("-c", "1", name="w2").ready()
    assert [f"w{n}" for n in range(10)] == [one.get(timeout=60) for one in waiting]
    begun = [key for word, key, _ in project.ledger() if word == "start" and key != "one"]
    assert [f"w{n}" for n in range(10)] == begun, "in order"


@pytest.mark.parametrize(
    "signals", [[signal.SIGQUIT], [signal.SIGTERM, signal.SIGTERM], [signal.SIGINT, signal.SIGINT]]
)
def test_a_cold_shutdown_gives_back_what_runs(project: Any, start: Any, signals: list[int]) -> None:
    worker = start("-c", "1").ready()
    project.send("until_let_go", "one")
    host = project.pid_of("one")

    worker.signal(signals[0])
    if len(signals) > 1:
        worker.wait_for("warm shutdown")
        worker.signal(signals[1])

    worker.exit_code()
    with pytest.raises(ProcessLookupError):
        os.kill(host, 0)
    assert (1, 0) == (project.queue().ready, project.queue().in_flight)


def test_the_time_for_running_tasks_can_be_limited(project: Any, start: Any) -> None:
    worker = start("-c", "1", "worker_shutdown_timeout=0.5").ready()
    project.send("until_let_go", "one")
    project.pid_of("one")

    worker.signal(signal.SIGTERM)

    worker.exit_code()
    assert (1, 0) == (project.queue().ready, project.queue().in_flight)


def test_hup_begins_anew_as_the_same_process(project: Any, start: Any) -> None:
    worker = start("-c", "1").ready()

    worker.signal(signal.SIGHUP)
    worker.wait_for("ready.", times=2)

    assert worker.process.poll() is None
    assert 2 == project.send("add", 1, 1).get(timeout=60)


def test_usr1_shows_every_stack(project: Any, start: Any) -> None:
    worker = start("-c", "1").ready()

    worker.signal(signal.SIGUSR1)

    worker.wait_for("most recent call first")
    assert 2 == project.send("add", 1, 1).get(timeout=60)


def test_a_pidfile_is_written_and_refused_while_live(project: Any, start: Any) -> None:
    path = str(project.folder / "w.pid")
    first = start("-c", "1", "--pidfile", path).ready()

    second = start("-c", "1", "--pidfile", path, name="w2")
    assert 3 == second.exit_code()
    assert str(first.process.pid) in second.log

    first.signal(signal.SIGTERM)
    assert 0 == first.exit_code()
    assert not os.path.exists(path)


def test_a_worker_whose_broker_is_away_ends_when_it_is_told(tmp_path: Path, project: Any, start: Any) -> None:
    node = RedisNode(tmp_path / "redis")
    node.start()
    try:
        worker = start("-c", "1", "-b", node.url).ready()
        node.kill()
        worker.wait_for("connecting to")

        worker.signal(signal.SIGTERM)

        assert 0 == worker.exit_code()
    finally:
        node.kill()


@pytest.mark.slow
def test_what_runs_ends_though_the_broker_is_away(tmp_path: Path, project: Any, start: Any) -> None:
    from kernelq import KernelQ

    node = RedisNode(tmp_path / "redis")
    node.start()
    try:
        with KernelQ("project", broker=node.url) as app:
            worker = start("-c", "1", "-b", node.url).ready()
            app.send_task("tasks.until_let_go", ("one",))
            project.pid_of("one")
        node.kill()
        worker.wait_for("connecting to")
        worker.signal(signal.SIGTERM)
        worker.wait_for("warm shutdown")
        project.let_go("one")

        assert 0 == worker.exit_code()
        assert "the ends of 1 tasks are not settled" in worker.log
        assert {"one": 1} == project.counts("end")
    finally:
        node.kill()
