"""The step Readiness: notes that the worker consumes, for as long as the connection lasts."""

from __future__ import annotations

import threading
from functools import partial

from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import LANE
from kernelq_health.doing import doing
from kernelq_health.keys import PULSE
from kernelq_health.step import Health


class Readiness(Step):
    """Starts once the lane is open, and stops before it is closed or when the broker is lost."""

    requires = (LANE, PULSE)

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether anybody wants to know."""
        return Health.enabled(settings)

    def start(self, ctx: Context) -> None:
        """Note it."""
        pulse = ctx[PULSE]
        pulse.turned_at = pulse.clock()  # to connect may have taken long
        package = type(ctx[LANE]).__module__.partition(".")[0]
        pulse.doing = partial(doing, threading.get_ident(), package)
        pulse.connected = True

    def stop(self, ctx: Context) -> None:
        """Note that it is over."""
        pulse = ctx.get(PULSE)
        if pulse is not None:
            pulse.connected = False
            pulse.untaken_since = None
