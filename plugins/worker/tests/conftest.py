"""What several tests of the worker stand on."""

from __future__ import annotations

import queue
from collections.abc import Callable
from functools import partial

from kernelq_testkit.waiting import patience


class AskedLoop:
    """A loop that calls nothing by itself; `heed` waits for what a thread asks for, and does it."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def call_later(self, seconds: float, call: Callable[[], None]) -> None: ...

    def call_soon(self, call: Callable[..., None], *args: object) -> None:
        self.asked.put(partial(call, *args))

    def heed(self) -> None:
        self.asked.get(timeout=patience(30))()
