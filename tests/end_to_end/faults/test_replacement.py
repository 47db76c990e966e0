"""Hosts that are replaced all the time leave nothing behind."""

from __future__ import annotations

from typing import Any

import processes
import pytest


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_replaced_hosts_leak_nothing(pool: str, scene: Any, scale: Any, figure: Any) -> None:
    """With ten tasks to a host, and limits: each task ends once, and neither descriptors, children nor memory grow."""
    count = scale.count(100_000, 1_000)
    worker = scene.start(
        pool, "-c", "2", "--max-tasks-per-child", "10", "task_time_limit=60", "task_soft_time_limit=50"
    )
    keys = [f"k{n}" for n in range(count)]
    warm = count // 5
    scene.send_many("work", keys[:warm])
    took = _drain(scene, warm, scale)
    before, earlier = _figures(scene, worker), processes.opened(worker.pid)

    for first in range(warm, count, 5_000):
        scene.send_many("work", keys[first : first + 5_000])
        took += _drain(scene, min(first + 5_000, count), scale)
    scene.until(scene.empty, "the last acknowledgements")
    after = _figures(scene, worker)

    tally = scene.tally()
    figure("tasks a second", round(count / took))
    figure("replaced hosts: before, after", f"{before} {after}")
    figure("counts", tally.row())
    assert ([], [], []) == (tally.lost, tally.doubled, tally.unexplained)
    assert after["children"] <= before["children"]
    # A host that is being replaced has some, and so has a thread that needs the database for once: four each.
    # The eighty and more hosts that were replaced would have left as many.
    most = before["descriptors"] + 20
    scene.until(
        lambda: processes.descriptors(worker.pid) <= most,
        f"{most} descriptors at most; it had {earlier}, and had after the last task {processes.opened(worker.pid)}",
    )
    assert after["kilobytes"] <= before["kilobytes"] * 1.2 + 2_000
    worker.signal()
    assert 0 == worker.exit_code()


def _drain(scene: Any, count: int, scale: Any) -> float:
    patience = scale.bound(count / 10 + 60)
    return float(scene.until(lambda: scene.ledger.count("end") >= count, f"{count} ends", patience, 0.1))


def _figures(scene: Any, worker: Any) -> dict[str, int]:
    """Return what must not grow, once no host is being replaced."""
    scene.until(lambda: _settled(scene, worker), "the hosts to be replaced")
    return {
        "children": len(processes.children(worker.pid)),
        "descriptors": processes.descriptors(worker.pid),
        "kilobytes": processes.memory(worker.pid),
    }


def _settled(scene: Any, worker: Any) -> bool:
    replies = scene.app.control.broadcast("stats", reply=True, timeout=30, limit=1)
    pool = replies[0][worker.node]["pool"]
    children = processes.children(worker.pid)
    return len(pool["hosts"]) == len(pool["processes"]) and not any(processes.state(pid) == "Z" for pid in children)
