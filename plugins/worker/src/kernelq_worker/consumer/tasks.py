"""The step Tasks: deliveries come in against credit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kernelq.delivery import Delivery
from kernelq.failpoint import around
from kernelq.handles import LeasedLane
from kernelq.kernel.contracts.transport import Lane
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import APP, LANE, LOOP, QUEUES, REQUESTS, SCREEN, STATE, TRANSPORT, WORKER
from kernelq.request import Request
from kernelq_worker.dispatch import Dispatcher
from kernelq_worker.requests import Ledger

log = logging.getLogger("kernelq.worker")


class Tasks(Step):
    """Provides the open lane; at the end of each turn of the loop it settles, and renews the credit."""

    requires = (APP, WORKER, TRANSPORT, LOOP, STATE, QUEUES, REQUESTS)
    wants = (SCREEN,)
    provides = (LANE,)

    def __init__(self) -> None:
        self._lane: Lane | None = None
        self._credit = -1
        self._ledger: Ledger | None = None
        self._accept: Callable[[list[Request]], None] | None = None
        self._dispatch: Dispatcher | None = None
        self._worker: Any = None

    def start(self, ctx: Context) -> None:
        """Open the lane; deliveries come from the loop's next turn on."""
        loop: Any = ctx[LOOP]
        queues: Any = ctx[QUEUES]
        self._ledger = ctx[REQUESTS]  # type: ignore[assignment]  # this distribution's own ledger
        self._worker = ctx[WORKER]
        assert self._ledger is not None
        self._accept = around(self._ledger.accept, "before_submit", "after_submit")
        state: Any = ctx[STATE]
        self._dispatch = Dispatcher(ctx[APP], ctx[WORKER], state, self._ledger, ctx.get(SCREEN))
        self._lane = lane = ctx[TRANSPORT].lane()
        if isinstance(lane, LeasedLane):
            lane.on_fenced = self._ledger.fenced
        lane.open(loop, queues.names(), around(self._on_deliveries, "after_claim"))
        queues.attach(lane)
        self._ledger.attach(lane)
        ctx[LANE] = lane
        loop.on_turn(self._on_turn)
        self._on_turn()

    def stop(self, ctx: Context) -> None:
        """Settle what can be settled, and give back what never started; then the lane is closed."""
        lane, self._lane = self._lane, None
        if lane is None:
            return
        ctx[LOOP].off_turn(self._on_turn)  # type: ignore[attr-defined]  # the worker's own loop
        ctx[QUEUES].lane = None  # type: ignore[attr-defined]  # our own
        assert self._ledger is not None
        try:
            self._ledger.flush()
        finally:
            self._ledger.detach()
            lane.close(self._ledger.release() if self._worker.stopping else ())
            if self._worker.stopping:
                self._ledger.flush()  # what was acknowledged early, and the broker has told of only now, is sent anew

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return the lane's own figures, and how many messages could not be read."""
        shown = self._lane.info() if self._lane is not None else {}
        return {**shown, "invalid": self._dispatch.invalid if self._dispatch is not None else 0}

    def _on_deliveries(self, deliveries: list[Delivery]) -> None:
        assert self._dispatch is not None
        assert self._accept is not None
        self._credit -= len(deliveries)
        self._accept(self._dispatch(deliveries))

    def _on_turn(self) -> None:
        ledger, lane = self._ledger, self._lane
        assert ledger is not None
        ledger.flush()
        credit = 0 if self._worker.stopping else ledger.credit
        if credit != self._credit and lane is not None:
            self._credit = credit
            lane.want(credit)
