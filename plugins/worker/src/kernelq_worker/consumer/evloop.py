"""The step Evloop: turns the loop until the worker is to stop, then lets running tasks end."""

from __future__ import annotations

import logging
import time
from typing import Any

from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import LANE, LOOP, POOL, REQUESTS, WORKER

log = logging.getLogger("kernelq.worker")


class Evloop(Step):
    """The step that blocks: while it does, the loop serves the broker, the pool and the control commands.

    A warm shutdown goes on here, with all other steps up: control is answered and outcomes are settled until the last
    running task has ended, or the time for that is over.
    """

    requires = (LOOP, LANE, POOL, REQUESTS, WORKER)

    def run(self, ctx: Context) -> None:
        """Block. Raises `BrokerLost`."""
        worker: Any = ctx[WORKER]
        loop: Any = ctx[LOOP]
        loop.run(lambda: worker.stopping is not None)
        if worker.stopping == "warm":
            self._drain(ctx, loop, worker)
        pool, ledger = ctx[POOL], ctx[REQUESTS]
        if ledger.running:  # type: ignore[attr-defined]  # our own; what still runs is ended before it is given back
            log.warning("%d tasks still run; they are ended and given back", len(ledger.active()))
            worker.abandon()
            pool.stop(time.monotonic())

    def _drain(self, ctx: Context, loop: Any, worker: Any) -> None:
        ledger: Any = ctx[REQUESTS]
        ledger.returned(ctx[POOL].recall())
        if ledger.busy:
            log.info("waiting for %d running tasks", len(ledger.active()))
        wake = loop.call_repeatedly(0.1, lambda: None)
        try:
            loop.run(lambda: worker.stopping != "warm" or not ledger.busy or worker.grace_left() == 0.0)
        finally:
            wake.cancel()
