"""Celery with two forked children, on the server that is given."""

from __future__ import annotations

import os
import sys
import time

from celery import Celery, group

SERVER = os.environ["BENCH_SERVER"]
RESULTS = os.environ.get("BENCH_RESULTS") or SERVER

app = Celery("bench", broker=SERVER, backend=RESULTS)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=16, worker_send_task_events=False)


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
    """Send `count` empty tasks as groups, over one producer."""
    with app.producer_pool.acquire(block=True) as producer:
        for start in range(0, count, 1000):
            group(ignored.s() for _ in range(min(1000, count - start))).apply_async(producer=producer)


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    mark.delay(path)


def call() -> float:
    """Send one task, wait for its result."""
    return float(now.delay().get(timeout=30))


def worker() -> list[str]:
    """Return the command that starts a worker."""
    flags = ["-c", "2", "-l", "WARNING", "--without-gossip", "--without-mingle"]
    return [sys.executable, "-m", "celery", "-A", __name__, "worker", *flags]
