"""KernelQ with two forked hosts, on the server that is given; results are stored in Redis where it is one, else rpc."""

from __future__ import annotations

import os
import sys
import time

from kernelq import KernelQ

SERVER = os.environ["BENCH_SERVER"]
RESULTS = os.environ.get("BENCH_RESULTS") or SERVER
POOL = os.environ.get("BENCH_POOL", "prefork")
FLAGS = {"prefork": ["-c", "2"], "threads": ["-c", "8"], "gevent": ["-c", "100"], "asyncio": ["-c", "100"]}

app = KernelQ("bench", broker=SERVER, backend=RESULTS)


@app.task(name="bench.empty")
def empty() -> None:
    """Do nothing."""


@app.task(name="bench.ignored", ignore_result=True)
def ignored() -> None:
    """Do nothing."""


@app.task(name="bench.mark", ignore_result=True)
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


def enqueue_ignored(count: int) -> None:
    """Send `count` empty tasks in bulk."""
    app.send_many(ignored.s() for _ in range(count))


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    mark.delay(path)


def call() -> float:
    """Send one task, wait for its result."""
    return float(now.delay().get(timeout=30))


def worker() -> list[str]:
    """Return the command that starts a worker."""
    command = [sys.executable, "-m", "kernelq", "-A", __name__, "worker", "-P", POOL, *FLAGS[POOL]]
    return [*command, "-l", "warning"]
