"""The pulse: what the worker's loop notes of itself, and what that says of the worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs

from kernelq_health.doing import Doing

SILENCE = 10.0
"""Seconds without a turn of the loop after which it counts as stuck."""
SILENCE_AWAY = 60.0
"""The same while it waits for the broker: to look up a name, to connect, to get an answer may take long, and tells
nothing of the worker.
"""
UNTAKEN = 8.0
"""Seconds during which messages wait, slots are free, and none is taken, after which the lane counts as stuck."""


@attrs.frozen
class Verdict:
    """How a worker is."""

    live: bool
    ready: bool
    started: bool
    reasons: tuple[str, ...] = ()
    """In words, why something is not as it should be."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return attrs.asdict(self)


@attrs.define
class Pulse:
    """Written in the loop's thread, a value at a time, and read in others; so no lock is needed, and none can be stuck.

    Times are seconds of the monotonic clock.
    """

    clock: Callable[[], float] = time.monotonic
    turned_at: float | None = None
    """When the loop last turned; None: it has not yet."""
    connected: bool = False
    """Whether the lane is open."""
    stopping: bool = False
    untaken_since: float | None = None
    """Since when messages wait that are not taken though they could be."""
    wedged: bool = False
    """Whether none of the hosts gives a sign of life."""
    doing: Callable[[], Doing | None] = lambda: None
    """Tells what the loop's thread is at in this moment. Asked only when it has not turned for long."""

    def verdict(self) -> Verdict:
        """Return how the worker is now."""
        turned_at, now = self.turned_at, self.clock()
        if turned_at is None:
            return Verdict(live=True, ready=False, started=False, reasons=("it is starting",))
        ill, reasons = self._of_loop(now - turned_at)
        ill += self._of_work(now)
        reasons += ill
        if not self.connected:
            reasons.append("it does not consume: there is no connection to the broker")
        if self.stopping:
            reasons.append("it is stopping")
        return Verdict(live=not ill, ready=not reasons, started=True, reasons=tuple(reasons))

    def _of_loop(self, silence: float) -> tuple[list[str], list[str]]:
        """Return why the loop is ill, and why else it does not consume."""
        doing = self.doing() if silence > SILENCE else "task"
        if doing == "task":  # of the pool solo, which runs them there: nothing is wrong, however long they take
            return [], []
        if silence > SILENCE_AWAY or (self.connected and doing != "broker"):
            return [f"its loop has not turned for {silence:.0f} s"], []
        return [], [f"the broker has not answered for {silence:.0f} s"]

    def _of_work(self, now: float) -> list[str]:
        """Return why what it does is ill."""
        found = []
        since = self.untaken_since
        if since is not None and now - since > UNTAKEN:
            found.append(f"messages wait and slots are free, and none was taken for {now - since:.0f} s")
        if self.wedged:
            found.append("none of its hosts gives a sign of life")
        return found
