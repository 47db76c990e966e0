"""Who waits for whom, and who answers, while slots are taken."""

from __future__ import annotations

import time
from typing import Any

import pytest

SHORT = [f"s{n}" for n in range(30)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("streamed", [0, 2_000], ids=["at first", "after a stream of tiny ones"])
def test_short_tasks_never_wait_for_a_long_one(pool: str, scene: Any, scale: Any, figure: Any, streamed: int) -> None:
    """With default settings, on four slots, also where slots have just been given many tiny tasks at a time."""
    scene.start(pool, "-c", "4")
    scene.send_many("work", [f"t{n}" for n in range(streamed)])
    scene.until(lambda: scene.ledger.count("end") == streamed, "the stream")

    scene.send_many("until_let_go", ["long"])
    scene.send_many("work", SHORT, 0.05)
    took = scene.until(lambda: scene.ledger.count("end") == streamed + len(SHORT), "the short ones")

    figure("30 short tasks beside a long one, s", round(took, 2))
    assert "long" not in scene.ledger.keys("end")
    assert took <= scale.bound(3.0)
    scene.let_go("long")
    scene.until(scene.empty, "the long one")
    assert 1 == scene.ledger.keys("start").count("long")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("task", ["work", "spin"])
def test_control_answers_while_every_slot_is_busy(pool: str, scene: Any, scale: Any, figure: Any, task: str) -> None:
    """Whether they wait or compute."""
    worker = scene.start(pool, "-c", "4")
    for n in range(8):
        scene.send(task, f"busy{n}", 60.0)
    # A pool whose slots share one thread shows no more than one of those that compute at a time.
    scene.until(lambda: scene.ledger.count("start") >= 1 and scene.queue().in_flight >= 4, "the tasks")

    slowest = 0.0
    for command in ("ping", "stats", "active", "reserved") * scale.count(10, 2):
        began = time.monotonic()
        replies = scene.app.control.broadcast(command, reply=True, timeout=30, limit=1)
        slowest = max(slowest, time.monotonic() - began)
        assert worker.node in replies[0]

    figure("slowest answer, all slots busy, s", round(slowest, 3))
    assert slowest <= scale.bound(1.0)
    worker.signal(3)
    worker.exit_code()
