"""The step Heart: worker-online, a heartbeat every two seconds, worker-offline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernelq.handles import Timer
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, EVENTS, LOOP, REQUESTS, STATE, WORKER
from kernelq_events.settings import EventsSettings
from kernelq_events.vitals import vitals


class Heart(Step):
    """Tells that the worker lives, and how busy it is; monitors take it for dead after two beats that they missed."""

    requires = (APP, WORKER, LOOP, STATE, REQUESTS, EVENTS)
    after = ("Events",)

    def __init__(self) -> None:
        self._timer: Timer | None = None
        self._tell: Callable[..., None] | None = None
        self._beats = 0

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether the settings want it."""
        return not settings.section(EventsSettings).worker_without_heartbeat or "off: --without-heartbeat given"

    def start(self, ctx: Context) -> None:
        """Tell that the worker is there, and begin to beat."""
        self._interval: float = ctx[APP].conf.section(EventsSettings).worker_heartbeat_interval
        self._tell = ctx[APP].hooks.compiled("heartbeat_sent")
        self._send(ctx, "worker-online")
        self._timer = ctx[LOOP].call_repeatedly(self._interval, self._send, ctx, "worker-heartbeat")

    def stop(self, ctx: Context) -> None:
        """Beat no more; tell that the worker leaves, if it does: a lost connection is none of that."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            if ctx[WORKER].stopping is not None:
                self._send(ctx, "worker-offline")

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return the interval in seconds, and how often it has beaten."""
        return {"interval": self._interval, "beats": self._beats}

    def _send(self, ctx: Context, type: str) -> None:
        if self._tell is not None:
            self._tell(sender=ctx[WORKER])
        self._beats += 1
        ctx[EVENTS].send(type, **vitals(ctx, self._interval))
