"""The app whose tasks the pools run; importable, since some hosts are new interpreters."""

from __future__ import annotations

import asyncio
import time

from kernelq import KernelQ

app = KernelQ("pools")


@app.task(name="bench.empty")
def empty() -> None:
    """Do nothing."""


@app.task(name="bench.aempty")
async def aempty() -> None:
    """Do nothing, on an event loop."""


@app.task(name="bench.sleep")
def sleep(seconds: float) -> None:
    """Wait, as pools of threads and greenlets do it."""
    time.sleep(seconds)


@app.task(name="bench.asleep")
async def asleep(seconds: float) -> None:
    """Wait, as an event loop does it."""
    await asyncio.sleep(seconds)
