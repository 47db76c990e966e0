"""A worker runs tasks."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("pool", ["auto", "prefork", "threads", "solo"])
def test_tasks_run_and_results_come_back(project: Any, start: Any, pool: str) -> None:
    start("-P", pool, "-c", "2").ready()

    results = [project.send("add", n, 1) for n in range(50)]

    assert [n + 1 for n in range(50)] == [one.get(timeout=60) for one in results]


def test_a_failure_comes_back_as_the_exception(project: Any, start: Any) -> None:
    start("-c", "1").ready()

    result = project.send("fail", "no luck")

    with pytest.raises(ValueError, match="no luck"):
        result.get(timeout=60)
    assert "FAILURE" == result.state


def test_a_retry_waits_in_the_broker_and_runs_again(project: Any, start: Any) -> None:
    start("-c", "1").ready()

    result = project.send("third_time", "r")

    assert 2 == result.get(timeout=60)
    assert 3 == project.counts("start")["r"]


def test_a_delayed_task_holds_no_slot(project: Any, start: Any) -> None:
    """It is in the broker until it is due, so the one slot is free."""
    start("-c", "1").ready()

    late = project.send("add", 1, 1, countdown=1.0)
    assert 4 == project.send("add", 2, 2).get(timeout=60)
    assert 1 == project.queue().delayed

    assert 2 == late.get(timeout=60)


def test_an_expired_task_is_revoked(project: Any, start: Any) -> None:
    result = project.send("work", "old", expires=0.01)
    start("-c", "1").ready()

    project.send("add", 1, 1).get(timeout=60)

    assert "REVOKED" == result.state
    assert 0 == project.counts("start")["old"]


def test_an_unknown_task_waits_and_a_known_one_passes_it(project: Any, start: Any) -> None:
    worker = start("-c", "1").ready()

    unknown = project.send("gone", 1)
    worker.wait_for("no task here is named 'tasks.gone'")

    assert 2 == project.send("add", 1, 1).get(timeout=60)
    assert "PENDING" == unknown.state
    assert 1 == project.queue().delayed


def test_an_unknown_task_is_buried_in_the_end(project: Any, start: Any) -> None:
    start("-c", "1", "task_unknown_ttl=0").ready()

    unknown = project.send("gone", 1)

    with pytest.raises(Exception, match=r"tasks\.gone"):
        unknown.get(timeout=60)
    assert unknown.id == project.app.transport.admin().dead()[0].task_id


def test_garbage_is_buried_and_the_worker_goes_on(project: Any, start: Any) -> None:
    """Bodies that are no JSON, no task, or too deep: each is in the dead set with a reason."""
    from kernelq.message import Message

    worker = start("-c", "1").ready()
    bodies = [b"\xff\x00", b"{", b'"text"', b"[" * 50_000]
    headers: list[dict[str, Any]] = [{}, {"task": "tasks.add", "id": "g"}, {"task": ["x"], "id": {}}, {"task": None}]
    messages = [
        Message(f"m{n}", head, body, {}, "celery")
        for n, (head, body) in enumerate((head, body) for head in headers for body in bodies)
    ]
    project.app.sender.publish_many(messages)

    assert 2 == project.send("add", 1, 1).get(timeout=60)

    admin = project.app.transport.admin()
    buried = [one for one in admin.dead() if one.reason]
    readable = 4  # a known task with an id reaches the executor, which stores a failure
    assert len(messages) - readable <= len(buried)
    assert worker.process.poll() is None


def test_the_log_tells_each_phase_and_the_banner_tells_where(project: Any, start: Any) -> None:
    worker = start("-c", "3", "-l", "DEBUG").ready()

    log = worker.log
    for phrase in ("Preparing bootsteps", "Building graph", "New boot order: {", "Starting Pool", "substep ok"):
        assert phrase in log
    for phrase in ("w1@test", "transport:", "results:", "concurrency:", "queues:", "[tasks]", ". tasks.add"):
        assert phrase in log
