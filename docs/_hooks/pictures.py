"""Makes the pictures of the documentation: ``python docs/_hooks/pictures.py``, or ``nox -s pictures``.

The same code makes the same picture: the events are made up, and their times stand still.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

from kernelq import KernelQ
from kernelq_monitor.screen import Monitor
from kernelq_monitor.watch import Watch

IMAGES = Path(__file__).parents[1] / "images"
AT = 1_767_258_000.0
SIZE = (132, 30)
WORKERS = {"mail@lisbon": "KernelQ", "mail@porto": "KernelQ", "legacy@faro": "py-celery"}
TASKS = (
    ("shop.send_receipt", "SUCCESS", 0.182), ("shop.resize", "STARTED", None), ("shop.charge", "FAILURE", 1.204),
    ("shop.send_receipt", "SUCCESS", 0.174), ("shop.report", "RETRY", None), ("shop.resize", "SUCCESS", 2.311),
    ("shop.charge", "SUCCESS", 0.871), ("shop.send_receipt", "REVOKED", None), ("shop.resize", "RECEIVED", None),
    ("shop.charge", "SUCCESS", 0.902), ("shop.send_receipt", "SUCCESS", 0.169),
)  # fmt: skip
LAST = {"SUCCESS": "succeeded", "FAILURE": "failed", "RETRY": "retried", "REVOKED": "revoked", "STARTED": "started"}


class Still(Watch):
    """A watch that has seen enough."""

    connected = True

    def tick(self) -> None:
        """Leave the rates as they are."""


def event(type: str, hostname: str, at: float, **fields: Any) -> dict[str, Any]:
    """Return a received event."""
    return {"type": type, "hostname": hostname, "timestamp": at, "local_received": at, "clock": int(at - AT), **fields}


def watched(app: KernelQ) -> Still:
    """Return a watch that has seen some workers and tasks."""
    watch = Still(app)
    hosts = list(WORKERS)
    for number, (host, software) in enumerate(WORKERS.items()):
        load = [0.4 + number / 3, 0.31, 0.22]
        about = {"active": number + 1, "processed": 1804 + 97 * number, "sw_ident": software, "sw_ver": "0.1"}
        watch.take(event("worker-heartbeat", host, AT + number / 10, freq=1e12, loadavg=load, **about))
    for number, (name, state, runtime) in enumerate(TASKS):
        host, at = hosts[number % 3], AT + 1 + number * 0.731
        uuid = f"{number * 7919 + 40503:08x}-51c4-4f6e-9a0b-{number * 104729 + 12:012x}"
        watch.take(event("task-received", host, at, uuid=uuid, name=name, args="(17,)", kwargs="{}"))
        if state in LAST:
            watch.take(event(f"task-{LAST[state]}", host, at + (runtime or 0.02), uuid=uuid, runtime=runtime))
    for second in range(61):
        done = sum(40 + 25 * (step % 9) for step in range(second))
        watch.throughput.add(
            float(second), {"task-received": done, "task-succeeded": done * 9 // 10, "task-failed": done // 50}
        )
    return watch


async def live_view() -> str:
    """Return the live view as SVG."""
    with KernelQ("docs", broker="memory://") as app:
        view = Monitor(watched(app))
        async with view.run_test(size=SIZE) as pilot:
            await pilot.press("down", "down")
            await pilot.pause()
            svg = view.export_screenshot(title="kernelq events", simplify=False)
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # a picture asks no server for its letters


def main() -> None:
    """Write the pictures."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "live-view.svg").write_text(asyncio.run(live_view()) + "\n")


if __name__ == "__main__":
    main()
