"""Hosts that are killed or stopped at random, under load."""

from __future__ import annotations

import random
import signal
import threading
import time
from typing import Any

import processes
import pytest

STALL = 3.0
"""Seconds after which a stopped host is to be replaced in these tests."""
BRIEF = 0.3
"""Seconds that a host is stopped for, where it goes on."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_task_ends_whatever_is_killed(pool: str, scene: Any, scale: Any, figure: Any) -> None:
    """Nothing is lost, and nothing but what a killed host ran starts again, within two seconds."""
    harms = scale.count(500, 8)
    stall = STALL if scale.full else 2 * STALL
    worker = scene.start(pool, "-c", "4", f"worker_stall_limit={stall}", "task_max_deliveries=100")
    load = Load(scene)
    load.start()
    scene.until(lambda: scene.ledger.count("end") > 20, "the load")
    dice = random.Random(7)
    stopped: set[int] = set()
    for number in range(harms):
        _harm(scene, worker, dice, number, stopped)
    load.stop()
    scene.until(scene.empty, "the queue to be empty", scale.bound(120))
    for pid in stopped:
        scene.until(lambda pid=pid: pid not in scene.hosts(worker), "a stopped host to be replaced", stall + 10)

    tally, killed = scene.tally(), {pid: at for pid, at in scene.hurt.items() if pid not in stopped}
    quick = scene.ledger.tally(0, (), killed).slowest
    figure("harms: killed, stopped for ever", f"{len(killed)} {len(stopped)}")
    figure("counts", tally.row())
    figure("redelivered after a kill, s", round(quick, 2))
    assert [] == tally.lost
    assert [] == tally.unexplained, "only the killed host's tasks start again"
    assert {} == scene.dead()
    assert quick <= scale.bound(2.0)
    assert tally.slowest <= scale.bound(stall + 2.0)
    assert worker.process.poll() is None


def _harm(scene: Any, worker: Any, dice: random.Random, number: int, stopped: set[int]) -> None:
    """Hurt one host that works: a kill mostly, else a stop, which lasts for ever once in a while."""
    working = [entry.pid for entry in scene.ledger.entries()[-40:]]
    scene.until(lambda: set(scene.hosts(worker)) - stopped, "a host")
    hosts = sorted(set(scene.hosts(worker)) - stopped)
    pid = dice.choice([pid for pid in hosts if pid in working] or hosts)
    if number % 3:
        scene.harm(pid, signal.SIGKILL)
    elif number % 6:
        scene.harm(pid, signal.SIGSTOP)
        stopped.add(pid)
    else:
        _freeze(pid)
    count = scene.ledger.count("end")
    scene.until(lambda: scene.ledger.count("end") > count + 3, "the load to go on")


def _freeze(pid: int) -> None:
    if processes.hurt(pid, signal.SIGSTOP):
        threading.Event().wait(BRIEF)
        processes.hurt(pid, signal.SIGCONT)


class Load(threading.Thread):
    """Keeps a few dozen tasks in the queue."""

    def __init__(self, scene: Any) -> None:
        super().__init__(name="load", daemon=True)  # a test that fails does not stop it
        self._scene = scene
        self._ended = threading.Event()

    def run(self) -> None:
        """Send until told to stop."""
        sent = 0
        while not self._ended.wait(0.02):
            if sent - self._scene.ledger.count("end") < 60:
                for _ in range(20):
                    sent += 1
                    self._scene.send("work", f"k{sent}", 0.001 * (sent % 40))

    def stop(self) -> None:
        """Send no more."""
        self._ended.set()
        self.join()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_host_stopped_for_ever_is_replaced(pool: str, scene: Any, scale: Any, figure: Any) -> None:
    """After the liveness time, though it has no time limit; its task starts again elsewhere."""
    stall = 2.0 if scale.full else 6.0
    worker = scene.start(pool, "-c", "1", f"worker_stall_limit={stall}")
    scene.send("until_let_go", "held")
    scene.until(lambda: scene.ledger.count("start") == 1, "the task")
    (entry,) = scene.ledger.entries()

    scene.harm(entry.pid, signal.SIGSTOP)
    scene.until(lambda: scene.ledger.count("start") == 2, "the task to start again")

    took = time.monotonic() - scene.hurt[entry.pid]
    figure("stopped host replaced, s", round(took, 2))
    assert stall * 0.5 < took < scale.bound(stall + 2.0)
    scene.let_go("held")
    scene.until(scene.empty, "its end")
    assert entry.pid not in scene.hosts(worker)
