"""A task that kills its host each time."""

from __future__ import annotations

from typing import Any

import pytest

DELIVERIES = 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_poison_is_buried_and_burns_nobody(pool: str, scene: Any, scale: Any, figure: Any) -> None:
    """Each one runs as often as it may be delivered, is buried with the cause, and the others hardly notice."""
    rounds = scale.count(3, 1)
    count = scale.count(8_000, 150)
    scene.start(pool, "-c", "4", f"task_max_deliveries={DELIVERIES}")
    scene.send_many("work", [f"warm{n}" for n in range(100)], 0.01)
    scene.until(scene.empty, "the warm-up")

    ratios = []
    for number in range(rounds):
        alone = _seconds(scene, f"a{number}-", count)
        beside = _seconds(scene, f"b{number}-", count, poison=True)
        ratios.append(alone / beside)

    starts = scene.ledger.keys("start")
    poisons = [key for key in scene.accepted if key.endswith("poison")]
    assert [DELIVERIES] * rounds == [starts.count(key) for key in poisons]
    scene.until(scene.empty, "the last acknowledgements")
    dead = scene.dead()
    assert set(poisons) == set(dead), "no innocent is buried"
    assert all("host" in why and "SIGKILL" in why for why in dead.values()), dead
    figure("throughput beside poison", [round(ratio, 2) for ratio in ratios])
    scene.hurt = {entry.pid: entry.at for entry in scene.ledger.entries() if entry.key in poisons}
    tally = scene.tally()
    figure("counts", tally.row())
    assert [] == tally.lost
    assert [] == tally.unexplained, "only what shared a host with it starts again"
    assert max(ratios) >= 0.8 or not scale.full


def _seconds(scene: Any, name: str, count: int, poison: bool = False) -> float:
    """Return the seconds from the first start to the last end of `count` tasks of ten milliseconds."""
    keys = [f"{name}{n}" for n in range(count)]
    before = scene.ledger.count("end")
    scene.send_many("work", keys[: count // 10], 0.01)
    if poison:
        scene.send("poison", f"{name}poison")
    scene.send_many("work", keys[count // 10 :], 0.01)
    scene.until(lambda: scene.ledger.count("end") >= before + count, "the innocent ones", 300, 0.1)
    if poison:
        scene.until(lambda: f"{name}poison" in scene.dead(), "the burial")
    scene.until(scene.empty, "the last of them")
    wanted = set(keys)
    moments = [entry.at for entry in scene.ledger.entries() if entry.key in wanted]
    return max(moments) - min(moments)
