"""KernelQ on SQLite with the pool of threads; results are stored."""

from __future__ import annotations

import sys
import time

from kernelq import KernelQ

app = KernelQ("bench", broker="sqlite:///bench.db", backend="sqlite:///bench.db")


@app.task(name="bench.empty")
def empty() -> None:
    """Do nothing."""


@app.task(name="bench.mark")
def mark(path: str) -> None:
    """Write down when this ran."""
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")


@app.task(name="bench.now")
def now() -> float:
    """Return when this ran."""
    return time.monotonic()


def enqueue(count: int) -> None:
    """Send `count` empty tasks one by one."""
    for _ in range(count):
        empty.delay()


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    mark.delay(path)


def call() -> float:
    """Send one task, wait for its result."""
    return float(now.delay().get(timeout=30))


def worker() -> list[str]:
    """Return the command that starts a worker."""
    return [sys.executable, "-m", "kernelq", "-A", __name__, "worker", "-c", "4", "-l", "warning"]
