"""The step, with stand-ins for the rest of the worker; its looks are the test's."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.keys import Context
from kernelq.keys import APP, LANE, LOOP, POOL, REQUESTS, WORKER
from kernelq_autoscale.step import Autoscaler
from kernelq_testkit.leftovers import CountingLoop


class Pool:
    """Counts slots."""

    def __init__(self, concurrency: int = 1, fixed: bool = False) -> None:
        self.concurrency = concurrency
        self.fixed = fixed

    def grow(self, n: int = 1) -> int:
        self.concurrency += 0 if self.fixed else n
        return self.concurrency

    def shrink(self, n: int = 1) -> int:
        return self.grow(-n)

    def info(self) -> dict[str, Any]:
        return {"implementation": "solo" if self.fixed else "some"}


class Scene:
    """A started step, and what it sees."""

    def __init__(self, loop: CountingLoop, pool: Pool, span: str = "6,1", keepalive: float = 30.0) -> None:
        self.app = KernelQ("t", worker_autoscale=span, worker_autoscale_keepalive=keepalive)
        self.pool = pool
        self.busy = self.here = 0
        self.depth: int | None = 0
        requests = SimpleNamespace(active=lambda: [0] * self.busy, reserved=lambda: [0] * self.here)
        self.context = Context()
        self.worker = SimpleNamespace(stopping=None, context=self.context)
        lane = SimpleNamespace(depth=self._count)
        self.values: dict[Any, Any] = {
            APP: self.app, WORKER: self.worker, LOOP: loop, POOL: pool, REQUESTS: requests, LANE: lane,
        }  # fmt: skip
        for key, value in self.values.items():
            self.context[key] = value
        self.step = Autoscaler()

    def _count(self, most: int) -> int | None:
        return None if self.depth is None else min(self.depth, most)

    def look(self) -> int:
        """Let the step look once; return the slots."""
        self.step._look()
        return self.pool.concurrency

    @property
    def info(self) -> dict[str, Any]:
        return self.step.info(self.context)


@pytest.fixture
def make_scene() -> Iterator[Any]:
    """A function that starts a step."""
    loop = CountingLoop()
    made: list[Scene] = []

    def make(pool: Pool | None = None, **more: Any) -> Scene:
        scene = Scene(loop, pool or Pool(), **more)
        made.append(scene)
        scene.step.start(scene.context)
        return scene

    make.pool = Pool
    yield make
    for scene in made:
        scene.step.stop(scene.context)
        scene.app.close()
    loop.close()
