"""What a heartbeat tells (celery/worker/heartbeat.py)."""

from __future__ import annotations

import os
import platform
from functools import cache
from math import ceil
from typing import Any

from kernelq._version import __version__
from kernelq.kernel.keys import Context
from kernelq.keys import REQUESTS, STATE


def vitals(ctx: Context, freq: float) -> dict[str, Any]:
    """Return the fields of an event of the worker; `freq`: seconds to the next heartbeat."""
    return {
        "freq": freq,
        "active": len(ctx[REQUESTS].active()),
        "processed": sum(ctx[STATE].totals.values()),
        "loadavg": [ceil(load * 100) / 100 for load in os.getloadavg()],
        "sw_ident": "kernelq",
        "sw_ver": __version__,
        "sw_sys": _system(),
    }


@cache
def _system() -> str:
    return platform.system()
