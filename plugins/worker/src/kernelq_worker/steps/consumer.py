"""The step Consumer: runs the blueprint `consumer`, and starts it anew when its connection is lost."""

from __future__ import annotations

import gc
import logging
import random
import time
from typing import TYPE_CHECKING

from kernelq.failover import Failover
from kernelq.kernel.boot import Boot
from kernelq.kernel.errors import Unreachable
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import APP, BACKEND, LOOP, POOL, QUEUES, REQUESTS, STATE, TRANSPORT, WORKER
from kernelq_worker.options import WorkerSettings

if TYPE_CHECKING:
    from kernelq.handles import WorkerHandle
    from kernelq_worker.worker import Worker

log = logging.getLogger("kernelq.worker")

FIRST_DELAY = 0.1
LONGEST_DELAY = 1.0
"""Seconds between attempts to connect; with the jitter and all that is opened then, it consumes within two seconds of a
broker's answer."""

LAST_TRIES = 10.0
"""Seconds that a worker which is to stop, and runs nothing more, looks for its broker to settle what has ended."""

STEADY = 5.0
"""Seconds after which a connection counts as good, and the delays begin anew."""


class Consumer(Step):
    """Runs the consumer until the worker is to stop; the pool, and what runs in it, live on between connections."""

    requires = (APP, WORKER, TRANSPORT, BACKEND, LOOP, STATE, QUEUES, POOL, REQUESTS)
    after = ("Autoscaler", "Autoreloader", "LoggingServer", "GateKeeper", "Beat")

    def __init__(self) -> None:
        self._boot: Boot | None = None
        self._failures = 0
        self._restarts = 0
        self._recalled = False
        self._idle_since: float | None = None

    def run(self, ctx: Context) -> None:
        """Consume until the worker is to stop. Raises `Unreachable` where the settings forbid to try again."""
        while True:
            if self._restarts:
                gc.collect()  # a lost connection's objects refer to each other: forty of them were 18 MB, and are 3 now
            began = time.monotonic()
            try:
                self._consume(ctx)
                return
            except Unreachable as error:
                if time.monotonic() - began > STEADY:
                    self._failures = 0
                self._wait(ctx, error)
                if self._is_over(ctx):
                    waiting = ctx[REQUESTS].settler.waiting  # type: ignore[attr-defined]  # this distribution's own
                    log.error("ending without a broker; the ends of %d tasks are not settled, they come again", waiting)
                    return
                self._restarts += 1

    def stop(self, ctx: Context) -> None:
        """Stop the consumer."""
        if self._boot is not None:
            self._boot.stop()

    def terminate(self, ctx: Context) -> None:
        """Stop the consumer at once."""
        if self._boot is not None:
            self._boot.terminate()

    def info(self, ctx: Context) -> dict[str, int]:
        """Return how often it was started anew."""
        return {"restarts": self._restarts}

    def _consume(self, ctx: Context) -> None:
        worker: Worker = ctx[WORKER]  # type: ignore[assignment]  # this distribution's own worker
        self._boot = boot = worker.consumer_boot()
        try:
            boot.start()
            ctx[LOOP].turn(0)  # type: ignore[attr-defined]  # our own; kombu's Redis subscribes for commands in it
            worker.consuming()
            boot.run()
        finally:
            boot.stop()
            for name, error in boot.failures:
                log.debug("step %s: %s: %s", name, type(error).__name__, error)

    @staticmethod
    def _cold(worker: WorkerHandle) -> bool:
        return worker.stopping == "cold"

    def _wait(self, ctx: Context, error: Unreachable) -> None:
        conf, worker, loop = ctx[APP].conf, ctx[WORKER], ctx[LOOP]
        most = conf.broker_connection_max_retries
        started_once = bool(worker.ready)  # type: ignore[attr-defined]  # this distribution's own worker
        may = (
            conf.broker_connection_retry
            if started_once
            else conf.section(WorkerSettings).broker_connection_retry_on_startup
        )
        brokers = ctx[TRANSPORT]
        several = len(brokers.urls) if isinstance(brokers, Failover) else 1
        untried = self._failures < several - 1  # all of them count as one attempt
        most = most if most is None else most * several
        if (not may and not untried) or self._cold(worker) or (most is not None and self._failures >= most):
            raise error
        delay = delay_after(self._failures, several)
        self._failures = min(self._failures + 1, 1000)
        lost = brokers.safe_url()
        if isinstance(brokers, Failover):
            brokers.advance()
        log.error("consumer: %s: %s; connecting to %s in %.1f seconds", lost, error, brokers.safe_url(), delay)
        until = time.monotonic() + delay
        timer = loop.call_later(delay, lambda: None)
        # the loop turns meanwhile: outcomes are taken, and the pool is looked after
        loop.run(lambda: time.monotonic() >= until or self._cold(worker) or self._is_over(ctx))  # type: ignore[attr-defined]  # our own
        timer.cancel()

    def _is_over(self, ctx: Context) -> bool:
        """Tell whether a worker that is to stop warmly has nothing more to wait for, though it has no broker.

        Nothing begins any more. What runs may end; what has ended is settled if the broker comes back soon, and else
        comes again, as what a lost worker had.
        """
        worker = ctx[WORKER]
        if worker.stopping != "warm":
            return False
        ledger = ctx[REQUESTS]
        if not self._recalled:
            self._recalled = True
            ledger.returned(ctx[POOL].recall())  # type: ignore[attr-defined]  # this distribution's own ledger
        if ledger.running and worker.grace_left() != 0.0:  # type: ignore[attr-defined]  # our own
            return False
        now = time.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        waiting = ledger.settler.waiting  # type: ignore[attr-defined]  # our own
        return not waiting or now - self._idle_since >= LAST_TRIES


def delay_after(failures: int, brokers: int) -> float:
    """Return the seconds before the next attempt; each of several brokers is tried as often as one alone would be."""
    rounds = failures // brokers
    return min(FIRST_DELAY * 2.0**rounds, LONGEST_DELAY) / brokers * random.uniform(1.0, 1.3)  # noqa: S311 - jitter
