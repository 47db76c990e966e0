"""Masses that wait: they cost a worker no memory, what is due starts in time, and so does the worker.

A million on SQLite and Redis, a tenth of that on RabbitMQ, which holds them itself; less of all unless at full scale.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brokers
import processes
import pytest

AT_ONCE = 5_000
"""Messages that are made in this process at a time."""
FAR = 100_000.0
"""Seconds that the mass is delayed by. RabbitMQ keeps what waits 2^16 seconds or more in one queue, which is emptied
after the test."""
LEVEL = "celery_delayed_16"
SOON = 4.0
"""Seconds that those are delayed by which are to start."""
PROBES = 20
GROWTH = 6e6
"""Bytes that a worker may grow by: warm caches. 20,000 messages held as plain dicts take seven times that."""


@pytest.fixture
def mass(broker: Any, scale: Any, tmp_path: Path) -> Iterator[int]:
    """How many are to wait; those in a file and those that RabbitMQ delays are removed when the workers are gone."""
    if isinstance(broker, brokers.Amqp):
        yield scale.count(100_000, 2_000)
        broker.purge(LEVEL)
    else:
        yield scale.count(1_000_000, 20_000)
        for path in filter(Path.is_file, tmp_path.glob("kernelq.db*")):
            path.unlink()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_delayed_tasks_cost_no_memory_and_hold_nobody_up(mass: int, scene_on: Any, scale: Any, figure: Any) -> None:
    """Given workers from before and after a mass is delayed: both are as large as before, and what is due starts."""
    scene = scene_on()
    before = scene.start("prefork", "-c", "2", name="w1")
    _run_some(scene, "a", 0.0)
    alone = _size(before)

    took = _send(scene, mass, countdown=FAR)
    after = scene.start("prefork", "-c", "2", name="w2")
    late = _run_some(scene, "b", SOON)
    figure("delayed, and seconds to send them", f"{mass:,} {took:.1f}")
    figure("due, latest start after it, s", round(max(late), 3))
    sizes = [_size(before), _size(after)]
    figure("PSS alone, beside the mass, MB", " ".join(f"{size / 1e6:.1f}" for size in (alone, *sizes)))

    assert 2 * PROBES == scene.ledger.count("end")
    assert 0.0 <= min(late), "none starts before its time"
    assert max(late) < max(5.0, scale.bound(1.0))
    assert max(sizes) < alone + GROWTH


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_starts_as_soon_with_a_mass_queued(mass: int, scene_on: Any, figure: Any) -> None:
    """Given a hundred queued, then the mass: its first task starts after about the same time."""
    scene = scene_on()
    few = []
    for name in ("f1", "f2"):
        _send(scene, 100)
        few.append(_start(scene, name))

    took = _send(scene, mass)
    many = [_start(scene, "m1"), _start(scene, "m2")]

    figure("queued, and seconds to send them", f"{mass:,} {took:.1f}")
    figure("start to first task, few, many, s", f"{min(few):.2f} {min(many):.2f}")
    assert min(many) < 2 * min(few) + 5.0


def _send(scene: Any, count: int, **options: Any) -> float:
    """Send many that are not in the scene's books; return the seconds that it took."""
    began = time.monotonic()
    one = scene.app.signature("tasks.work", args=("mass",), **options)
    for start in range(0, count, AT_ONCE):
        scene.app.send_many(itertools.repeat(one, min(AT_ONCE, count - start)))
    return time.monotonic() - began


def _run_some(scene: Any, name: str, countdown: float) -> list[float]:
    """Send some that are due soon, wait for their ends, and return how many seconds after that each began."""
    due: dict[str, float] = {}
    for number in range(PROBES):
        key = f"{name}{number}"
        due[key] = time.monotonic() + countdown
        scene.send("work", key, **({"countdown": countdown} if countdown else {}))
    scene.until(lambda: due.keys() <= set(scene.ledger.keys("end")), "those that are due")
    return [entry.at - due[entry.key] for entry in scene.ledger.entries() if entry.word == "start" and entry.key in due]


def _start(scene: Any, name: str) -> float:
    """Start a worker, stop it after its first task; return the seconds from its start to the task's."""
    before = scene.ledger.count("start")
    began = time.monotonic()
    worker = scene.launch("prefork", "-c", "2", name=name)
    scene.until(lambda: scene.ledger.count("start") > before, "the first task")
    first = [entry.at for entry in scene.ledger.entries() if entry.word == "start"][before]
    worker.signal()
    worker.exit_code()
    return float(first - began)


def _size(worker: Any) -> int:
    """Return the bytes of memory of a worker and its hosts; what they share counts once."""
    return sum(processes.share(pid) for pid in (worker.pid, *processes.children(worker.pid)))
