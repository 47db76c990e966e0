"""repid with one process on a Redis stream; it stores no results, so its `now` answers over a list."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import redis
import repid

SERVER = os.environ["BENCH_SERVER"]
ANSWERS = "bench:answers"

app = repid.Repid()
app.servers.register_server("default", repid.RedisServer(SERVER, batch_size=100), is_default=True)
router = repid.Router()
answers: Any = redis.Redis.from_url(SERVER)
loop = asyncio.new_event_loop()
connected: Any = None


@router.actor(channel="bench")
async def empty() -> None:
    """Do nothing."""


@router.actor(channel="bench")
async def mark(path: str) -> None:
    """Write down when this ran."""
    with open(path, "a") as file:
        file.write(f"{time.monotonic()}\n")


@router.actor(channel="bench")
async def now() -> None:
    """Answer when this ran."""
    answers.lpush(ANSWERS, time.monotonic())


app.include_router(router)


async def _send(actor: str, **payload: Any) -> None:
    await app.send_message_json(channel="bench", payload=payload, headers={"topic": actor})


def _run(work: Any) -> None:
    global connected  # noqa: PLW0603 - one connection for the life of the sending process
    if connected is None:
        connected = app.servers.default.connection()
        loop.run_until_complete(connected.__aenter__())
    loop.run_until_complete(work)


def enqueue(count: int) -> None:
    """Send `count` empty tasks one by one."""

    async def send() -> None:
        for _ in range(count):
            await _send("empty")

    _run(send())


enqueue_ignored = enqueue
"""It has no way to send many at once."""


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    _run(_send("mark", path=path))


def call() -> float:
    """Send one task, wait for its answer."""
    _run(_send("now"))
    return float(answers.blpop([ANSWERS], 30)[1])


async def _work() -> None:
    async with app.servers.default.connection():
        await app.run_worker()


def worker() -> list[str]:
    """Return the command that starts a worker."""
    code = f"import asyncio, {__name__} as peer; asyncio.run(peer._work())"
    return [sys.executable, "-c", code]
