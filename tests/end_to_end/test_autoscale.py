"""A pool that grows and shrinks with its load."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

import pytest

POOLS = ["prefork", "threads", "asyncio", "gevent"]


def ask(project: Any, command: str, **arguments: Any) -> Any:
    """Return the one worker's answer."""
    replies = project.app.control.broadcast(command, arguments, reply=True, timeout=20.0, limit=1)
    return replies[0]["w1@test"]


def running(project: Any) -> int:
    """Return how many tasks run, as `inspect stats` tells of the hosts."""
    return sum(host["running"] for host in ask(project, "stats")["pool"]["hosts"])


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
def test_it_grows_with_the_queue_and_shrinks_when_idle(project: Any, start: Any, until: Any, pool: str) -> None:
    """Nothing is lost or run twice on the way; a slot never holds more than one task, so only the queue tells."""
    keys = [f"task-{number}" for number in range(200)]
    for key in keys:
        project.send("work", key, 0.05)

    worker = start("--autoscale=6,1", "-P", pool, "worker_autoscale_keepalive=1").ready()

    assert "{min=1, max=6} (" + pool in worker.log
    worker.wait_for("autoscale: 1 -> 6: ")
    worker.wait_for("-> 1: no more were needed for 1 s")
    until(lambda: len(project.counts("end")) == len(keys), "all tasks to end")
    assert Counter(keys) == project.counts("start") == project.counts("end")

    held = [f"held-{number}" for number in range(6)]
    for key in held:
        project.send("until_let_go", key)
    for key in held:
        project.pid_of(key)  # all six at a time
    stats = ask(project, "stats")
    assert {"max": 6, "min": 1, "current": 6, "qty": 6}.items() <= stats["autoscaler"].items()
    assert 6 == stats["autoscaler"]["decisions"][-1]["to"]
    assert 6 == stats["pool"]["max-concurrency"]
    until(lambda: 6 == running(project), "the hosts to report what they run")
    for key in held:
        project.let_go(key)
    worker.signal(signal.SIGTERM)
    assert 0 == worker.exit_code()


def test_commands_change_the_span(project: Any, start: Any) -> None:
    worker = start("--autoscale=3", "-c", "2", "-P", "threads").ready()

    assert {"ok": "autoscale now max=5 min=4"} == ask(project, "autoscale", max=5, min=4)
    worker.wait_for("autoscale: 2 -> 4: min is 4")
    assert {"ok": "pool will grow"} == ask(project, "pool_grow", n=3)
    worker.wait_for("autoscale: 4 -> 7: told by a command")
    assert {"max": 7, "min": 4, "current": 7}.items() <= ask(project, "stats")["autoscaler"].items()
    assert "do not fit" in ask(project, "autoscale", max=1)["error"]


def test_a_worker_that_does_not_scale_says_so(project: Any, start: Any) -> None:
    start("-c", "1").ready()

    assert "--autoscale=MAX,MIN" in ask(project, "autoscale", max=5)["error"]
    assert "autoscaler" not in ask(project, "stats")
