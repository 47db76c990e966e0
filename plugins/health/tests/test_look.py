"""What the loop sees of its worker."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq.kernel.keys import Context
from kernelq.keys import LANE
from kernelq_health.look import ASK_EVERY, Look
from kernelq_health.pulse import Pulse


class Scene:
    """A connected worker, and its clock; messages wait, and it could take them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pulse = Pulse(clock=lambda: self.now, connected=True)
        self.depth: int | None = 1
        self.asked = 0
        context = Context()
        context[LANE] = SimpleNamespace(depth=self._depth)
        self.worker = SimpleNamespace(stopping=None, context=context)
        self.requests = SimpleNamespace(taken=0, credit=1)
        self.pool = SimpleNamespace(wedged=False)
        self._look = Look(self.pulse, self.worker, self.requests, self.pool)

    def _depth(self, most: int) -> int | None:
        self.asked += 1
        return self.depth

    def look(self, times: int = 1) -> None:
        """Let some seconds pass, with a look in each."""
        for _ in range(times):
            self.now += 1
            self._look()


@pytest.fixture
def scene() -> Scene:
    """A worker."""
    return Scene()


def test_each_look_is_noted(scene: Scene) -> None:
    scene.worker.stopping, scene.pool.wedged = "warm", True
    scene.look()

    assert (101.0, True, True) == (scene.pulse.turned_at, scene.pulse.stopping, scene.pulse.wedged)


def test_messages_that_wait_while_nothing_is_taken_are_noticed(scene: Scene) -> None:
    scene.look(12)

    assert not scene.pulse.verdict().live
    assert 12 / ASK_EVERY >= scene.asked


@pytest.mark.parametrize(
    "change",
    [
        lambda scene: setattr(scene.requests, "taken", scene.requests.taken + 1),
        lambda scene: setattr(scene.requests, "credit", 0),
        lambda scene: setattr(scene.worker, "stopping", "warm"),
        lambda scene: setattr(scene.pulse, "connected", False),
    ],
    ids=["one is taken", "slots are busy", "it stops", "the broker is away"],
)
def test_it_is_no_illness_where(scene: Scene, change) -> None:
    """The broker is not even asked."""
    scene.look(6)
    asked = scene.asked
    change(scene)
    scene.look()

    assert asked == scene.asked
    assert scene.pulse.untaken_since is None


@pytest.mark.parametrize("depth", [0, None])
def test_it_is_no_illness_where_nothing_waits(scene: Scene, depth: int | None) -> None:
    """Or where the broker cannot tell."""
    scene.look(6)
    scene.depth = depth
    scene.look(3)

    assert scene.pulse.untaken_since is None
    assert scene.pulse.verdict().live


def test_a_busy_worker_asks_nothing(scene: Scene) -> None:
    for _ in range(10):
        scene.requests.taken += 1
        scene.look()

    assert scene.asked == 0
