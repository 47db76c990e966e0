"""The look: what the loop sees of its worker when it turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq.keys import LANE
from kernelq_health.pulse import Pulse

if TYPE_CHECKING:
    from kernelq.handles import PoolHandle, Requests, WorkerHandle

ASK_EVERY = 2.0
"""Seconds between two questions to the broker how much waits; it is asked by idle workers only."""


class Look:
    """Notes in the pulse what is seen. Called in the loop's thread.

    That messages wait is no illness by itself: the slots may be busy. It is one where the worker has told the broker
    that it can take some, the broker has some, and for seconds none came.
    """

    def __init__(self, pulse: Pulse, worker: WorkerHandle, requests: Requests, pool: PoolHandle) -> None:
        self._pulse = pulse
        self._worker = worker
        self._requests = requests
        self._pool = pool
        self._taken = -1
        self._asked_at = 0.0

    def __call__(self) -> None:
        """Look once."""
        pulse, now = self._pulse, self._pulse.clock()
        pulse.stopping = self._worker.stopping is not None
        pulse.wedged = self._pool.wedged
        self._see_untaken(now)
        pulse.turned_at = now

    def _see_untaken(self, now: float) -> None:
        pulse, requests = self._pulse, self._requests
        taken, self._taken = self._taken, requests.taken
        if taken != self._taken or pulse.stopping or not pulse.connected or not requests.credit:
            pulse.untaken_since = None
        elif now - self._asked_at >= ASK_EVERY:
            self._asked_at = now
            lane = self._worker.context.get(LANE)
            if lane is None or not lane.depth(1):
                pulse.untaken_since = None
            elif pulse.untaken_since is None:
                pulse.untaken_since = now
