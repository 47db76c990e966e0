"""A task that lets nothing else of its process run."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from kernelq.kernel.contracts.pool import PoolCapability

HARD = 3.0
HELD = 30.0
RENEWED = 5.0
"""Seconds between two renewals of a lease."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_task_that_holds_the_gil_is_ended(pool: str, scene: Any, scale: Any, figure: Any) -> None:
    """The supervisor renews its lease and answers meanwhile; the host is replaced soon after the hard limit."""
    worker = scene.start(pool, "-c", "2", f"task_time_limit={HARD}")
    stuck = scene.send("hold_the_gil", "stuck", HELD)
    scene.until(lambda: scene.ledger.count("start") == 1, "the task")
    (entry,) = scene.ledger.entries()
    watch = Watch(scene, worker)
    watch.start()

    scene.until(lambda: entry.pid not in scene.hosts(worker), "the host to be replaced")
    replaced = time.monotonic() - entry.at
    watch.stop()

    figure("holds the GIL: replaced after, s", round(replaced, 2))
    figure("holds the GIL: slowest ping, s", round(max(watch.took), 2))
    figure("holds the GIL: oldest lease, s", round(watch.oldest, 2))
    isolated = PoolCapability.ISOLATION in scene.pool(pool).capabilities
    assert HARD - 0.1 <= replaced <= scale.bound(HARD + (1.0 if isolated else 5.0))
    assert max(watch.took) <= scale.bound(1.0)
    assert watch.oldest <= scale.bound(RENEWED + 1.0)
    with pytest.raises(Exception, match=r"[Tt]ime"):
        stuck.get(timeout=60)
    assert "FAILURE" == stuck.state
    scene.send("work", "after")
    scene.until(lambda: "after" in scene.ledger.keys("end"), "the next task")
    assert 1 == scene.ledger.keys("start").count("stuck")


class Watch(threading.Thread):
    """Asks the worker again and again, and looks at the age of its lease."""

    def __init__(self, scene: Any, worker: Any) -> None:
        super().__init__(name="watch")
        self._scene, self._worker = scene, worker
        self._ended = threading.Event()
        self.took: list[float] = []
        self.oldest = 0.0

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._ended.wait(0.1):
            began = time.monotonic()
            replies = self._scene.app.control.broadcast("ping", reply=True, timeout=30, limit=1)
            self.took.append(time.monotonic() - began if replies else 30.0)
            leases = Path(self._scene.folder, "kernelq.db.d", "leases").glob(f"{self._worker.pid}-*")
            self.oldest = max(self.oldest, *(time.time() - path.stat().st_mtime for path in leases))

    def stop(self) -> None:
        """Ask no more."""
        self._ended.set()
        self.join()
