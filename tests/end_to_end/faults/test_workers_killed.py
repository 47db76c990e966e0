"""Whole workers that are killed at random, one after the other, under load."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections import Counter, defaultdict
from typing import Any

import brokers
import pytest
from crew import Crew, Senders
from ledger import Entry, Tail

POOLS = ("prefork", "prefork", "threads")
"""Of the three workers that run at a time beside the one that is spared."""
MOST = 5
"""Deliveries of a task; the longest last a third of a second, so that chance alone seldom has it run in so many workers
that are killed. Where the deliveries of those that only waited were counted too, many would be buried."""
PATIENCE = 120.0
"""Seconds for what is left when nothing is sent any more."""
LONGEST_WAIT = 0.8
"""Seconds between two kills, at most: the moment is what is random."""


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_no_task_is_lost_whatever_worker_is_killed(
    broker: Any, scene_on: Any, scale: Any, figure: Any, request: pytest.FixtureRequest
) -> None:
    """Every accepted task ends; only what ran in a killed worker starts again; no innocent is buried."""
    kills = scale.count(300, 6)
    lease = brokers.DEFAULT_LEASE if scale.full else 5.0
    scene = scene_on(lease)
    crew = Crew(scene, POOLS, "-c", "2", f"task_max_deliveries={MOST}")
    tail, dice = Tail(scene.ledger.path), random.Random(11)
    senders = Senders(scene.folder, 2, ahead=30)
    request.addfinalizer(senders.kill)
    for _ in range(kills):
        before = tail.count("end")
        scene.until(lambda at=before: tail.count("end") > at + 3 and crew.ready(), "the load to go on")
        threading.Event().wait(dice.uniform(0, LONGEST_WAIT))
        crew.kill(dice)
    senders.stop()
    scene.attempted, scene.accepted = senders.attempted(), senders.accepted()
    with contextlib.suppress(AssertionError):  # the figures tell more
        scene.until(lambda: not scene.tally().lost, "every task to end", PATIENCE, look=0.5)
    scene.until(scene.empty, "the queue to be empty")

    tally, dead = scene.tally(), scene.dead()
    starts = Counter(scene.ledger.keys("start"))
    vain = _in_vain(scene)
    late = [began - killed for _, killed, began in vain if began > killed]
    figure("kills of whole workers", len(crew.left))
    figure("counts", tally.row())
    figure("buried", len(dead))
    figure("last host gone after, s", round(max(crew.left), 2))
    figure("doubled though begun after the kill", f"{len(late)}, {round(max(late, default=0.0), 3)} s")
    assert [] == tally.lost
    ran = {key for key, _, _ in vain}
    strange = [key for key in tally.unexplained if not (broker.copies and key in ran)]
    figure("doubled though no killed worker ran it", len(strange))
    # Where deliveries are counted in copies, a worker can be killed after the broker has the copy of a message that it
    # is about to begin, and before the original is acknowledged: both come back.
    taken = crew.taken() if broker.copies else set()
    assert [] == [key for key in strange if scene.accepted[key].id not in taken], "only what a killed worker had"
    assert len(strange) <= max(1, kills // 50), f"nearly always only what a killed worker ran: {strange}"
    assert {} == {key: (why, starts[key]) for key, why in dead.items() if starts[key] < MOST - 1}
    assert tally.slowest <= scale.bound(broker.relief(lease) + 5.0)
    assert max(crew.left) <= scale.bound(2.0)
    assert crew.spared.process.poll() is None


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_task_that_kills_its_worker_is_buried_after_three_runs(broker: Any, scene_on: Any) -> None:
    """Exactly three; and of the tasks beside it, whatever was in the worker with it, each ends and none is buried."""
    scene = scene_on(3.0)
    others = [f"k{number}" for number in range(40)]
    scene.send_many("work", others[:20], 0.02)
    scene.send("kill_worker", "poison")
    scene.send_many("work", others[20:], 0.02)

    for number in itertools.count(1):
        worker = scene.launch("prefork", "-c", "2", name=f"w{number}")
        scene.until(lambda one=worker: one.process.poll() is not None or scene.dead(), "the worker to be killed", 120)
        if worker.process.poll() is None:
            break
        assert number <= 3, scene.logs()

    scene.until(lambda: not scene.tally().lost, "the others to end", look=0.2)
    assert 3 == Counter(scene.ledger.keys("start"))["poison"]
    assert ["poison"] == list(scene.dead())


def _in_vain(scene: Any) -> list[tuple[str, float, float]]:
    """Return, for each start that was in vain, its key, when its worker was killed, and when it was."""
    starts: dict[str, list[Entry]] = defaultdict(list)
    for entry in scene.ledger.entries():
        if entry.word == "start":
            starts[entry.key].append(entry)
    vain = (before for several in starts.values() for before, _ in itertools.pairwise(several))
    return [(entry.key, scene.hurt[entry.pid], entry.at) for entry in vain if entry.pid in scene.hurt]
