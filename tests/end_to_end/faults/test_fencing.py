"""Workers that lose their lease with tasks that have not begun."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

import processes
import pytest


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["sqlite", pytest.param("redis", marks=pytest.mark.broker)])
def test_what_had_not_begun_in_a_stopped_worker_runs_elsewhere_only(name: str, scene_at: Any) -> None:
    """Given a task that runs and three that its host was sent ahead, when the worker goes on after its lease has ended.

    The one that ran goes on; of the others the host is told, before it has a slot for them.
    """
    scene = scene_at(name)
    ahead = ("worker_optimization=default", "worker_prefetch_multiplier=4")
    stopped = scene.start("prefork", "-c", "1", *ahead, name="w1")
    asked = scene.app.control.inspect(destination=[stopped.node], timeout=5)
    scene.send("until_let_go", "a")
    scene.until(lambda: scene.ledger.keys("start") == ["a"], "the first task")
    scene.until(lambda: (asked.active() or {}).get(stopped.node), "its worker to know that it runs")
    scene.send_many("work", ["b", "c", "d"])
    scene.until(lambda: stopped.log().count("] received") == 4, "the others to be taken")

    scene.halt(stopped)
    other = scene.start("prefork", "-c", "2", name="w2")
    scene.until(lambda: {"b", "c", "d"} <= set(scene.ledger.keys("end")), "the others to run elsewhere")
    stopped.signal(signal.SIGCONT)
    scene.until(lambda: "3 tasks that had not begun here are left to the other workers" in stopped.log(), "the news")
    scene.until(lambda: (asked.reserved() or {}).get(stopped.node) == [], "its host to give them back", look=0.2)
    scene.let_go("a")
    scene.until(scene.empty, "the end of the first task")

    other.signal(signal.SIGTERM)
    other.exit_code()
    scene.send("work", "probe")
    scene.until(lambda: "probe" in scene.ledger.keys("end"), "the stopped worker to work again")
    assert {"a": 2, "b": 1, "c": 1, "d": 1, "probe": 1} == Counter(scene.ledger.keys("start"))
    assert {} == scene.dead()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["sqlite", pytest.param("redis", marks=pytest.mark.broker)])
def test_what_is_acknowledged_early_begins_once(name: str, scene_at: Any) -> None:
    """Given tasks that a worker has taken and not yet acknowledged when it is stopped beyond its lease.

    Its acknowledgement comes too late, so that they begin in the other worker alone.
    """
    scene = scene_at(name)
    stopped = scene.start("prefork", "-c", "2", name="w1", failpoint="after_claim:1:stop")
    scene.send_many("early", ["a", "b"])
    scene.until(lambda: processes.state(stopped.pid) == "T", "the worker to be stopped with what it has taken")
    scene.start("prefork", "-c", "2", name="w2")
    scene.until(lambda: {"a", "b"} <= set(scene.ledger.keys("end")), "the tasks to run elsewhere")
    stopped.signal(signal.SIGCONT)
    scene.until(lambda: "left to the other workers" in stopped.log(), "the news")

    scene.until(scene.empty, "everything to be acknowledged")
    assert {"a": 1, "b": 1} == Counter(scene.ledger.keys("start"))
    assert {} == scene.dead()
