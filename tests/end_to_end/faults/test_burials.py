"""Tasks that are buried for the workers that they take down: who waits for their results is told."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq import states
from kernelq.exceptions import WorkerLostError


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_task_that_kills_its_workers_has_failed(broker: Any, scene_on: Any) -> None:
    """Given a task that three workers were killed with: the fourth buries it, and its result tells why."""
    scene = scene_on(3.0)
    poison = scene.send("kill_worker", "poison")
    for number in (1, 2, 3):
        worker = scene.launch("prefork", "-c", "1", name=f"w{number}")
        scene.until(lambda one=worker: one.process.poll() is not None, "the worker to be killed", 120)
    last = scene.start("prefork", "-c", "1", name="w4")

    with pytest.raises(WorkerLostError, match="3 workers or hosts were lost with it"):
        poison.get(timeout=60)

    assert states.FAILURE == poison.state
    scene.until(scene.dead, "the burial")
    assert ["poison"] == list(scene.dead())
    assert "3 workers or hosts were lost with it" in scene.dead()["poison"]
    assert 3 == scene.ledger.keys("start").count("poison")
    assert last.process.poll() is None
