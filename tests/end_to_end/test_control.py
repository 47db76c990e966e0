"""Control commands, while every slot is busy."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from kernelq_testkit import eventually


@pytest.fixture
def busy(project: Any, start: Any) -> Any:
    """A worker whose one slot is taken by the task `held`."""
    worker = start("-c", "1").ready()
    worker.held = project.send("until_let_go", "held")
    project.pid_of("held")
    eventually(lambda: ask(project, "active"))  # the host's report follows the task's first line by a tick
    return worker


def ask(project: Any, command: str, **arguments: Any) -> Any:
    """Return the one worker's answer. That it comes within a second is for `nox -s chaos` to measure."""
    replies = project.app.control.broadcast(command, arguments, reply=True, timeout=30, limit=1)
    assert replies, f"{command} was not answered"
    return replies[0]["w1@test"]


def test_it_answers_while_the_pool_is_busy(project: Any, busy: Any) -> None:
    assert {"ok": "pong"} == ask(project, "ping")
    assert [busy.held.id] == [one["id"] for one in ask(project, "active")]
    assert [] == ask(project, "reserved")
    assert [] == ask(project, "scheduled")
    assert ["celery"] == [one["name"] for one in ask(project, "active_queues")]
    assert "tasks.add" in ask(project, "registered")
    assert "active" == ask(project, "query_task", ids=[busy.held.id])[busy.held.id][0]
    assert "ok" in ask(project, "report")
    assert isinstance(ask(project, "conf"), dict)
    assert isinstance(ask(project, "clock")["clock"], int)


def test_stats_have_what_flower_reads(project: Any, busy: Any) -> None:
    stats = ask(project, "stats")

    assert 1 == stats["total"]["tasks.until_let_go"]
    assert busy.process.pid == stats["pid"]
    assert {"total", "pid", "clock", "uptime", "pool", "broker", "prefetch_count", "rusage"} <= set(stats)


def test_an_unknown_command_and_wrong_arguments_are_answered(project: Any, busy: Any) -> None:
    assert "nonsense" in ask(project, "nonsense")["error"]
    assert "usage: rate_limit TASK_NAME RATE_LIMIT" in ask(project, "rate_limit", wrong=1)["error"]
    assert {"ok": "pong"} == ask(project, "ping")


def test_a_revoked_task_does_not_start(project: Any, busy: Any) -> None:
    waiting = project.send("work", "waiting")

    ask(project, "revoke", task_id=[waiting.id])
    assert [waiting.id] == ask(project, "revoked")
    project.let_go("held")

    with pytest.raises(Exception, match="revoked"):
        waiting.get(timeout=60)
    assert 0 == project.counts("start")["waiting"]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_revoked_task_that_the_worker_has_accepted_does_not_start(project: Any, start: Any, pool: str) -> None:
    """It was sent ahead to the host, behind one that runs; those beside it do run."""
    start("-c", "1", "-P", pool, "-O", "default").ready()
    held = project.send("until_let_go", "held")
    project.pid_of("held")
    waiting = [project.send("work", key) for key in ("first", "unwanted", "last")]
    eventually(lambda: 3 == len(ask(project, "reserved")), 60, wanted="three that are accepted and wait")

    ask(project, "revoke", task_id=[waiting[1].id])
    project.let_go("held")

    assert ["held", "first", "last"] == [one.get(timeout=60) for one in (held, waiting[0], waiting[2])]
    with pytest.raises(Exception, match="revoked"):
        waiting[1].get(timeout=60)
    assert 0 == project.counts("start")["unwanted"]


def test_terminate_ends_a_running_task(project: Any, busy: Any) -> None:
    ask(project, "revoke", task_id=busy.held.id, terminate=1, signal="KILL")

    with pytest.raises(Exception, match="terminated"):
        busy.held.get(timeout=60)
    assert "REVOKED" == busy.held.state
    assert 2 == project.send("add", 1, 1).get(timeout=60)


def test_queues_come_and_go(project: Any, busy: Any) -> None:
    ask(project, "add_consumer", queue="more")
    project.let_go("held")
    assert 3 == project.send("add", 1, 2, queue="more").get(timeout=60)

    assert {"ok": "no longer consuming from more"} == ask(project, "cancel_consumer", queue="more")
    assert "error" in ask(project, "cancel_consumer", queue="more")


def test_the_pool_grows(project: Any, busy: Any) -> None:
    """One slot is held; the second runs the next task."""
    assert "ok" in ask(project, "pool_grow", n=1)

    assert 2 == project.send("add", 1, 1).get(timeout=60)


def test_a_rate_limit_spaces_the_starts(project: Any, start: Any) -> None:
    start("-c", "4").ready()
    assert {"ok": "new rate limit set successfully"} == ask(
        project, "rate_limit", task_name="tasks.add", rate_limit="10/s"
    )

    began = time.monotonic()
    for one in [project.send("add", n, 0) for n in range(6)]:
        one.get(timeout=60)

    assert time.monotonic() - began >= 0.5 - 0.05


def test_shutdown_by_command(project: Any, start: Any) -> None:
    worker = start("-c", "1").ready()

    project.app.control.broadcast("shutdown")

    assert 0 == worker.exit_code()


def test_malformed_control_messages_end_nothing(project: Any, busy: Any) -> None:
    """Each is logged and counted."""
    connection = project.app.transport.connection()
    bodies: list[Any] = [7, "text", [], {"method": 3}, {"method": "ping", "arguments": 5}, {"no": "method"},
                         {"method": "ping", "reply_to": "x"}, {"method": "ping", "destination": 9}]  # fmt: skip
    from kombu.entity import Exchange
    from kombu.messaging import Producer

    exchange = Exchange("celery.pidbox", type="fanout", durable=False, delivery_mode="transient")
    producer = Producer(connection.channel(), exchange)
    for body in bodies:
        producer.publish(body, serializer="json", declare=[exchange])
    producer.publish(b"\xff\xfe{", content_type="application/json", content_encoding="utf-8")
    producer.publish(b"cos\nsystem\n", content_type="application/x-python-serialize", content_encoding="binary")
    connection.release()

    busy.wait_for("control message cannot be read", times=len(bodies) + 2)
    assert {"ok": "pong"} == ask(project, "ping")


def test_remote_control_can_be_switched_off(project: Any, start: Any) -> None:
    worker = start("-c", "1", "worker_enable_remote_control=false").ready()

    assert not project.app.control.broadcast("ping", reply=True, timeout=0.5)
    worker.signal(signal.SIGTERM)
    assert 0 == worker.exit_code()


def test_commands_can_be_limited_to_a_list(project: Any, start: Any) -> None:
    start("-c", "1", 'worker_remote_control_commands=["ping"]').ready()

    assert {"ok": "pong"} == ask(project, "ping")
    assert "shutdown" in ask(project, "shutdown")["error"]
