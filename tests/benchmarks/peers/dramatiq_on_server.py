"""dramatiq with two processes of eight threads, on the server that is given; results in Redis, where it is one."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

SERVER = os.environ["BENCH_SERVER"]
RESULTS = os.environ.get("BENCH_RESULTS") or SERVER

broker: Any = RedisBroker(url=SERVER) if SERVER.startswith("redis") else RabbitmqBroker(url=SERVER)
broker.add_middleware(Results(backend=RedisBackend(url=RESULTS)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def empty() -> int:
    """Do nothing; a result of None would not be stored."""
    return 0


@dramatiq.actor
def ignored() -> None:
    """Do nothing."""


@dramatiq.actor
def mark(path: str) -> None:
    """Write down when this ran."""
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")


@dramatiq.actor(store_results=True)
def now() -> float:
    """Return when this ran."""
    return time.monotonic()


def enqueue(count: int) -> None:
    """Send `count` empty tasks one by one."""
    for _ in range(count):
        empty.send()


def enqueue_ignored(count: int) -> None:
    """Send `count` empty tasks; there is no way to send many at once."""
    for _ in range(count):
        ignored.send()


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    mark.send(path)


def call() -> float:
    """Send one task, wait for its result."""
    return float(now.send().get_result(block=True, timeout=30_000))


def worker() -> list[str]:
    """Return the command that starts a worker."""
    return [sys.executable, "-m", "dramatiq", __name__, "--processes", "2", "--threads", "8"]
