"""The step Queues: what is consumed from."""

from __future__ import annotations

from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import APP, QUEUES, WORKER
from kernelq_worker.queues import select


class Queues(Step):
    """Provides the queues of the settings and of the options ``-Q`` and ``-X``."""

    requires = (APP, WORKER)
    provides = (QUEUES,)

    def start(self, ctx: Context) -> None:
        """Select them."""
        options = ctx[WORKER].options  # type: ignore[attr-defined]  # this distribution's own worker
        ctx[QUEUES] = select(ctx[APP].conf, options.queues, options.exclude_queues)
