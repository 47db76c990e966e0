"""taskiq with one process, on a Redis stream or RabbitMQ; results in Redis."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from taskiq_aio_pika import AioPikaBroker
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

SERVER = os.environ["BENCH_SERVER"]
RESULTS = os.environ.get("BENCH_RESULTS") or SERVER

backend: Any = RedisAsyncResultBackend(RESULTS)
broker: Any = RedisStreamBroker(SERVER) if SERVER.startswith("redis") else AioPikaBroker(SERVER, queue_name="taskiq")
broker = broker.with_result_backend(backend)
loop = asyncio.new_event_loop()
started = False


@broker.task
async def empty() -> None:
    """Do nothing."""


@broker.task
async def mark(path: str) -> None:
    """Write down when this ran."""
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")


@broker.task
async def now() -> float:
    """Return when this ran."""
    return time.monotonic()


def _run(work: Any) -> Any:
    global started  # noqa: PLW0603 - one loop and one connection for the life of the sending process
    if not started:
        started = True
        loop.run_until_complete(broker.startup())
    return loop.run_until_complete(work)


def enqueue(count: int) -> None:
    """Send `count` empty tasks one by one."""

    async def send() -> None:
        for _ in range(count):
            await empty.kiq()

    _run(send())


enqueue_ignored = enqueue
"""It has neither a way to send many at once, nor tasks whose result alone is ignored."""


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    _run(mark.kiq(path))


def call() -> float:
    """Send one task, wait for its result."""

    async def once() -> float:
        sent = await now.kiq()
        done = await sent.wait_result(check_interval=0.0005, timeout=30)
        return float(done.return_value)

    return float(_run(once()))


def worker() -> list[str]:
    """Return the command that starts a worker."""
    return [sys.executable, "-m", "taskiq", "worker", f"{__name__}:broker", "--workers", "1", "--log-level", "WARNING"]
