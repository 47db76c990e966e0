"""What a heartbeat tells."""

from __future__ import annotations

import platform

from kernelq._version import __version__
from kernelq_events.vitals import vitals


def test_it_tells_what_celery_tells(dispatching):
    told = vitals(dispatching, 2.0)

    load = told.pop("loadavg")
    assert (3, {float}) == (len(load), set(map(type, load)))
    assert {
        "freq": 2.0, "active": 2, "processed": 7, "sw_ident": "kernelq", "sw_ver": __version__,
        "sw_sys": platform.system(),
    } == told  # fmt: skip
