"""huey with one thread on Redis; results are stored, messages are acknowledged early."""

from __future__ import annotations

import logging
import os
import sys
import time

from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_SERVER"], results=True, store_none=True)
logging.getLogger("huey").setLevel(logging.WARNING)


@huey.task()
def empty() -> None:
    """Do nothing."""


@huey.task()
def mark(path: str) -> None:
    """Write down when this ran."""
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")


@huey.task()
def now() -> float:
    """Return when this ran."""
    return time.monotonic()


def enqueue(count: int) -> None:
    """Send `count` empty tasks one by one."""
    for _ in range(count):
        empty()


enqueue_ignored = enqueue
"""It has neither a way to send many at once, nor tasks whose result alone is ignored."""


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    mark(path)


def call() -> float:
    """Send one task, wait for its result."""
    return float(now().get(blocking=True, timeout=30, backoff=1.0, max_delay=0.001))


def worker() -> list[str]:
    """Return the command that starts a worker."""
    consumer = "from huey.bin.huey_consumer import consumer_main; consumer_main()"
    return [sys.executable, "-c", consumer, f"{__name__}.huey", "-k", "thread", "-w", "1", "-q", "-n"]
