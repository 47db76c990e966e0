"""Workers that are stopped for longer than their lease, and tasks that last longer than it."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

import brokers
import processes
import pytest

from kernelq.kernel.discovery import Discovery

SHORT_LEASE = 5.0
"""Seconds; a worker on a loaded machine renews its own in time."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_late_result_of_a_stopped_worker_changes_nothing(
    broker: Any, scene_on: Any, scale: Any, figure: Any
) -> None:
    """Given a worker that is stopped while its task runs: that runs elsewhere, and the result is of there."""
    scene = scene_on(SHORT_LEASE)
    stopped, first, result = _run_in_one(scene)
    other = scene.start("prefork", "-c", "1", name="w2")

    scene.halt(stopped)
    took = scene.until(lambda: scene.ledger.count("start") == 2, "the task to start elsewhere")
    figure("task of a stopped worker started elsewhere, s", round(took, 2))
    assert SHORT_LEASE * 0.5 < took < scale.bound(SHORT_LEASE + 5.0)
    second = scene.ledger.entries()[-1].pid
    _let_go(scene, second)
    assert second == result.get(timeout=60)

    _let_go(scene, first)
    scene.until(lambda: scene.ledger.count("end") == 2, "the first run to end")
    stopped.signal(signal.SIGCONT)
    other.signal(signal.SIGTERM)
    other.exit_code()
    _works(scene)

    assert second == result.get(timeout=10), "the late result is dropped"
    assert {"a": 2, "probe": 1} == Counter(scene.ledger.keys("start"))
    assert {} == scene.dead()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_late_acknowledgement_of_a_stopped_worker_changes_nothing(broker: Any, scene_on: Any, scale: Any) -> None:
    """Given a task that runs elsewhere: when its first worker goes on and acknowledges, then the second is killed.

    The message is not gone: in a worker that knows nothing of all that the task starts for the third time.
    """
    scene = scene_on(SHORT_LEASE)
    stopped, first, result = _run_in_one(scene)
    other = scene.start("prefork", "-c", "1", name="w2")
    scene.halt(stopped)
    scene.until(lambda: scene.ledger.count("start") == 2, "the task to start elsewhere")

    _let_go(scene, first)
    scene.until(lambda: scene.ledger.count("end") == 1, "the first run to end")
    stopped.signal(signal.SIGCONT)
    _works(scene)  # the other is busy
    stopped.signal(signal.SIGTERM)
    stopped.exit_code()
    third = scene.start("prefork", "-c", "1", name="w3")
    scene.hosts(other)
    other.signal(signal.SIGKILL)

    scene.until(lambda: Counter(scene.ledger.keys("start"))["a"] == 3, "the task to start again",
                scale.bound(broker.relief(SHORT_LEASE) + 30.0))  # fmt: skip
    last = scene.ledger.entries()[-1].pid
    assert last in scene.hosts(third)
    _let_go(scene, last)
    scene.until(scene.empty, "its end")
    assert result.get(timeout=60) in {first, last}
    assert {} == scene.dead()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_task_that_outlasts_every_timeout_runs_once(broker: Any, scene_on: Any, scale: Any) -> None:
    """Three times as long as a lease and as the liveness of a host, in every pool, with an idle worker beside them."""
    limit = brokers.DEFAULT_LEASE if scale.full else SHORT_LEASE
    scene = scene_on(limit)
    pools = [name for name in Discovery().names("kernelq.pools") if name != "solo"]
    for pool in pools:
        worker = scene.start(pool, "-c", "1", f"worker_stall_limit={limit}", name=pool)
        scene.send("work", pool, 3 * limit + 1)
        scene.until(lambda at=pool: at in scene.ledger.keys("start"), "the task to start")
    idle = scene.start("threads", "-c", "4", f"worker_stall_limit={limit}", name="idle")

    scene.until(lambda: scene.ledger.count("end") == len(pools), "the tasks to end", 3 * limit + 60)

    scene.until(scene.empty, "their end")
    assert dict.fromkeys(pools, 1) == Counter(scene.ledger.keys("start"))
    assert {} == scene.dead()
    assert processes.lives(worker.pid)
    assert processes.lives(idle.pid)


def _run_in_one(scene: Any) -> tuple[Any, int, Any]:
    """Start a worker and a task in it; return the worker, the process of the task, and its result."""
    worker = scene.start("prefork", "-c", "1", name="w1")
    result = scene.send("until_this_run_is_let_go", "a")
    scene.until(lambda: scene.ledger.count("start") == 1, "the task")
    return worker, scene.ledger.entries()[-1].pid, result


def _let_go(scene: Any, pid: int) -> None:
    scene.let_go(f"a.{pid}")


def _works(scene: Any) -> None:
    """Wait until the only worker that is free has run a task: what it had to settle before, it has settled."""
    scene.send("work", "probe")
    scene.until(lambda: "probe" in scene.ledger.keys("end"), "the stopped worker to work again")
