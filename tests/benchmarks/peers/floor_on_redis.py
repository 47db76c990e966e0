"""The floor: raw redis-py with hiredis and msgspec, one process, a script that moves a batch to an in-flight list.

It does what no queue can do without (move, decode, store, acknowledge), and nothing else.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import Any

import msgspec
import redis

server: Any = redis.Redis.from_url(os.environ["BENCH_SERVER"])
BATCH = 64
MOVE = """
local got = redis.call('RPOP', KEYS[1], ARGV[1])
if got then redis.call('LPUSH', KEYS[2], unpack(got)) end
return got
"""
encode, decode = msgspec.json.encode, msgspec.json.decode


def _message(task: str, *args: Any) -> tuple[str, bytes]:
    ident = str(uuid.uuid4())
    return ident, encode({"id": ident, "task": task, "args": args, "headers": {"lang": "py", "retries": 0}})


def enqueue(count: int) -> None:
    """Send `count` empty tasks one by one."""
    for _ in range(count):
        server.lpush("floor", _message("empty")[1])


def enqueue_ignored(count: int) -> None:
    """Send `count` empty tasks, a hundred at a time."""
    for start in range(0, count, 100):
        server.lpush("floor", *[_message("ignored")[1] for _ in range(min(100, count - start))])


def send_mark(path: str) -> None:
    """Send the task that writes down when it ran."""
    server.lpush("floor", _message("mark", path)[1])


def call() -> float:
    """Send one task, wait for its result."""
    ident, message = _message("now")
    server.lpush("floor", message)
    return float(server.blpop(f"result:{ident}", 30)[1])


def worker() -> list[str]:
    """Return the command that starts a worker."""
    return [sys.executable, "-c", f"import {__name__}; {__name__}.work()"]


def work() -> None:
    """Run tasks for ever."""
    move = server.register_script(MOVE)
    while True:
        batch = move(["floor", "flight"], [BATCH])
        if not batch:
            one = server.blmove("floor", "flight", 5, "RIGHT", "LEFT")
            batch = [one] if one else []
        answers = server.pipeline(transaction=False)
        for raw in batch:
            _run(decode(raw), answers)
        if batch:
            answers.ltrim("flight", len(batch), -1)
            answers.execute()


def _run(message: dict[str, Any], answers: Any) -> None:
    task, ident = message["task"], message["id"]
    if task == "mark":
        with open(message["args"][0], "a") as file:
            file.write(f"{time.monotonic()}\n")
    elif task == "now":
        answers.lpush(f"result:{ident}", time.monotonic())
        answers.expire(f"result:{ident}", 60)
    elif task == "empty":
        answers.set(f"result:{ident}", encode({"status": "SUCCESS", "result": None, "task_id": ident}), ex=86400)
