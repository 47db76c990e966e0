"""A process is killed at each step from publish to acknowledge: nothing is lost, and only what had started doubles."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter

import brokers
import pytest

from kernelq.failpoint import POINTS

SENDERS = ("before_publish", "after_publish")
HOSTS = ("before_execute", "after_execute")
REDELIVERED = ("before_begin", "after_begin")
WORKERS = tuple(name for name in POINTS if name not in (*SENDERS, *HOSTS, *REDELIVERED, "before_store", "after_store"))
UNSTARTED = ("after_claim", "before_submit")
"""Where nothing has run yet."""
FEW = ("after_publish", "after_claim", "after_execute", "before_settle")
"""What is tried on every broker, also where there is little time; the rest there, and all on SQLite."""
FULL = os.environ.get("KERNELQ_TEST_SCALE") == "full"
COUNT = 12
KILLED_AT = 5
"""The job at which a host is killed: its successor takes that one first, and is killed at another."""

SEND = """
import sys, tasks
for n in range(8):
    tasks.work.delay(f"k{n}")
    print(f"k{n}", flush=True)
"""
CHAINED = '''

@app.task(bind=True, max_retries=1)
def again(self, key):
    """Sends itself on once."""
    note("start", key)
    if not self.request.retries:
        raise self.retry(countdown=0)
    note("end", key)
'''


def _cases(points):
    return [
        pytest.param(name, point, id=f"{name}-{point}", marks=pytest.mark.broker if name != "sqlite" else ())
        for name in brokers.ALL
        for point in points
        if FULL or name == "sqlite" or point in FEW
    ]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "point"), _cases(SENDERS))
def test_a_sender_that_is_killed(scene_at, name, point):
    """What was accepted runs; of what was not, at most the one that the broker had and nobody was told of."""
    scene = scene_at(name)
    environment = {**os.environ, "KERNELQ_FAILPOINT": f"{point}:3:kill"}
    done = subprocess.run(
        [sys.executable, "-c", SEND], cwd=scene.folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (-signal.SIGKILL, "k0\nk1\n") == (done.returncode, done.stdout), done.stderr

    scene.start("prefork", "-c", "1")
    expected = ["k0", "k1"] if point == "before_publish" else ["k0", "k1", "k2"]
    scene.until(lambda: len(expected) == scene.ledger.count("end"), "the tasks")
    scene.until(scene.empty, "the queue to be empty")
    assert expected == sorted(scene.ledger.keys("end"))


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "point"), _cases((*WORKERS, *REDELIVERED)))
def test_a_worker_that_is_killed(scene_at, name, point):
    """Another one runs everything; nothing doubles that the first had not started."""
    scene = scene_at(name)
    (scene.folder / "tasks.py").write_text((scene.folder / "tasks.py").read_text() + CHAINED)
    scene.send_many("again" if point.endswith("_follow") else "work", [f"k{n}" for n in range(COUNT)])
    if point in REDELIVERED:
        _run_until_killed(scene, "after_claim", "w0")
    before = scene.ledger.entries()
    _run_until_killed(scene, point, "w1")
    hurt = {entry.pid: entry.at for entry in scene.ledger.entries()}
    if point in UNSTARTED:
        assert before == scene.ledger.entries(), "nothing had run"

    _finish(scene, hurt, rerun=point.endswith("_follow"))


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "point"), _cases(HOSTS))
def test_a_host_that_is_killed(scene_at, name, point):
    """Its one job goes to another host, and nothing that it had told of; the worker lives on."""
    scene = scene_at(name)
    scene.send_many("work", [f"k{n}" for n in range(COUNT)])
    worker = scene.start("prefork", "-c", "1", failpoint=f"{point}:{KILLED_AT}:kill", name="w1")

    def killed() -> list[int]:
        return [int(pid) for pid in re.findall(rf"failpoint {point}:\d+:kill in process (\d+)", worker.log())]

    def again() -> set[str]:
        """Return the jobs at whose end a host was killed."""
        pids = killed() if point == "after_execute" else []
        return set(
            {one.pid: one.key for one in scene.ledger.entries() if one.word == "end" and one.pid in pids}.values()
        )

    def told() -> int:
        """Return how many outcomes the worker has heard of."""
        return int(worker.log().count(" succeeded in "))

    def over() -> bool:  # an empty queue is not enough: RabbitMQ does not tell what is in flight
        ends = Counter(scene.ledger.keys("end"))
        return told() >= COUNT and len(ends) == COUNT and all(ends[key] > 1 for key in again())

    scene.until(over, "the tasks, and those again whose host was killed")
    scene.until(scene.empty, "the queue to be empty")
    assert killed(), worker.log()
    scene.hurt = dict.fromkeys(killed(), 0.0)
    tally = scene.tally()
    assert ([], []) == (tally.lost, tally.unexplained)
    assert again() <= set(tally.doubled)
    assert COUNT == told(), "what the worker has heard of does not run again"
    assert {} == scene.dead()
    assert worker.process.poll() is None


def _run_until_killed(scene, point, name):
    worker = scene.launch("prefork", "-c", "2", name=name, failpoint=f"{point}:kill")
    assert -signal.SIGKILL == worker.exit_code(), worker.log()
    assert f"failpoint {point}:1:kill in process {worker.pid}" in worker.log()


def _finish(scene, hurt, *, rerun):
    scene.start("prefork", "-c", "2", name="w2")
    scene.until(lambda: COUNT <= len(set(scene.ledger.keys("end"))), "the tasks to end elsewhere", 120)
    scene.until(scene.empty, "the queue to be empty")
    scene.hurt = hurt
    tally = scene.tally()
    assert [] == tally.lost
    assert {} == scene.dead()
    if not rerun:
        assert [] == tally.unexplained, "only what the killed worker had started starts again"
