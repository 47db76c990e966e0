"""The step Health: notes each second how the worker is, and tells it to whoever asks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kernelq.handles import Timer
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, LOOP, POOL, REQUESTS, WORKER
from kernelq.nodenames import node_format
from kernelq_health.keys import PULSE
from kernelq_health.look import Look
from kernelq_health.notify import Notify
from kernelq_health.pulse import Pulse
from kernelq_health.settings import HealthSettings

if TYPE_CHECKING:
    from kernelq_health.outlets import Outlet

EVERY = 1.0
"""Seconds between two looks."""


class Health(Step):
    """Provides the pulse, and its outlets: a port, a file, systemd.

    It starts after the hosts, so they inherit nothing of it; and the loop's first turn after that is the consumer's.
    """

    requires = (APP, WORKER, LOOP, POOL, REQUESTS)
    provides = (PULSE,)

    def __init__(self) -> None:
        self._timer: Timer | None = None
        self._outlets: list[Outlet] = []
        self._notify: Notify | None = None
        self._pulse = Pulse()

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether anybody wants to know."""
        wanted = settings.section(HealthSettings)
        asked = wanted.worker_health_port or wanted.worker_health_file or os.environ.get(Notify.VARIABLE)
        return bool(asked) or "off: neither --health-port nor --health-file given, and systemd does not ask"

    def start(self, ctx: Context) -> None:
        """Open the outlets. Raises `ConfigurationError` where the port is taken, or the file cannot be written."""
        from kernelq_health.outlets import File, Server  # with the standard library's server; most workers have none

        wanted, worker = ctx[APP].conf.section(HealthSettings), ctx[WORKER]
        ctx[PULSE] = self._pulse
        self._notify = Notify.of(os.environ)
        self._worker = worker
        self._look = Look(self._pulse, worker, ctx[REQUESTS], ctx[POOL])
        every = EVERY if self._notify is None else min(EVERY, self._notify.watchdog / 3)
        self._timer = ctx[LOOP].call_repeatedly(every, self._turn)
        if wanted.worker_health_port is not None:
            self._outlets.append(Server(self._pulse, wanted.worker_health_host, wanted.worker_health_port))
        if wanted.worker_health_file is not None:
            self._outlets.append(File(self._pulse, node_format(wanted.worker_health_file, worker.hostname)))

    def stop(self, ctx: Context) -> None:
        """Close the outlets."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._notify is not None:
            self._notify.stopping(ctx[WORKER].restarting)
            self._notify = None
        while self._outlets:
            self._outlets.pop().close()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return what is told, too."""
        return self._pulse.verdict().as_dict()

    def _turn(self) -> None:
        self._look()
        if self._notify is not None:
            if self._pulse.stopping:
                self._notify.stopping(self._worker.restarting)
            self._notify.tell(self._pulse.verdict())
