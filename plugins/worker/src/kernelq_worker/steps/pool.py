"""The step Pool: where jobs are run."""

from __future__ import annotations

import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from kernelq.handles import PoolHandle
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import APP, BACKEND, LOOP, POOL, REQUESTS, TRANSPORT, WORKER
from kernelq_worker import pools, records
from kernelq_worker.hosts import supervise
from kernelq_worker.hosts.policy import HostPolicy
from kernelq_worker.losses import Losses
from kernelq_worker.options import WorkerSettings
from kernelq_worker.requests import Ledger
from kernelq_worker.settling import Settler

if TYPE_CHECKING:
    from kernelq.kernel.contracts.transport import Sender
    from kernelq.request import Request
    from kernelq_worker.worker import Worker

log = logging.getLogger("kernelq.worker")


class Pool(Step):
    """Provides the pool, chosen by ``worker_pool``, and the ledger of what it runs."""

    requires = (APP, WORKER, TRANSPORT, BACKEND, LOOP)
    provides = (POOL, REQUESTS)

    def __init__(self) -> None:
        self._pool: PoolHandle | None = None
        self._sender: Sender | None = None

    def start(self, ctx: Context) -> None:
        """Start the hosts. Raises `ConfigurationError` where pool and broker do not fit."""
        app, transport = ctx[APP], ctx[TRANSPORT]
        worker: Worker = ctx[WORKER]  # type: ignore[assignment]  # this distribution's own worker
        kind = pools.choose(app)
        pools.check(kind, transport)
        for sentence in pools.weaknesses(kind, app.conf):
            log.warning("%s", sentence)
        layout = pools.layout(kind, app.conf, worker.options.hosts)

        def on_revoked(request: Request, signum: int | None, terminated: bool) -> None:
            app.hooks.event(
                "task_revoked", sender=worker, request=request, terminated=terminated, signum=signum, expired=False
            )

        self._sender = app.write_transport.sender()
        patience = app.conf.section(WorkerSettings).worker_result_store_wait
        settler = Settler(ctx[LOOP], self._sender, ctx[BACKEND], patience, partial(records.failure, app))
        ledger = Ledger(settler, Losses(app, on_revoked))
        self._pool = ledger.pool = supervise(
            app,
            kind,
            layout,
            ctx[LOOP],  # type: ignore[arg-type]  # the worker's own loop
            ledger,
            worker.hostname,
            HostPolicy.of(app.conf, worker.options.load, worker.logs),
        )
        ctx[REQUESTS] = ledger
        ctx[POOL] = self._pool

    def stop(self, ctx: Context) -> None:
        """End the hosts; what they ran has ended or been given back by now."""
        if self._pool is not None:
            self._pool.stop(time.monotonic())
            self._pool = None
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return the pool's own figures."""
        return self._pool.info() if self._pool is not None else {"pid": os.getpid()}
