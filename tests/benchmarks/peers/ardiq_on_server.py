"""ardiq with two processes on Redis streams; its core is native. It needs Python 3.12."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from ardiq import Ardiq

app: Any = Ardiq(os.environ["BENCH_SERVER"], "bench")
loop = asyncio.new_event_loop()


@app.task()
async def empty() -> None:
    """Do nothing."""


@app.task()
async def mark(path: str) -> None:
    """Write down when this ran."""
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")


@app.task()
async def now() -> float:
    """Return when this ran."""
    return time.monotonic()


def enqueue(count: int) -> None:
    """Send `count` empty tasks one by one."""

    async def send() -> None:
        for _ in range(count):
            await empty.enqueue()

    loop.run_until_complete(send())


def enqueue_ignored(count: int) -> None:
    """Send `count` empty tasks together; their results are stored all the same."""
    loop.run_until_complete(app.enqueue_many([empty.prepare() for _ in range(count)]))


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    loop.run_until_complete(mark.enqueue(path))


def call() -> float:
    """Send one task, wait for its result."""

    async def once() -> float:
        job = await now.enqueue()
        done = await job.result(timeout=30)
        return float(done.value)

    return float(loop.run_until_complete(once()))


def worker() -> list[str]:
    """Return the command that starts a worker."""
    return [sys.executable, "-m", "ardiq", "run", f"{__name__}:app", "--workers", "2"]
