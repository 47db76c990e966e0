"""What a sending process does, run by the benchmark in a process of its own: `client.py PEER WHAT N`; prints JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))


def enqueue(peer: Any, count: int) -> dict[str, float]:
    """Send `count` empty tasks, one by one, between two marks; their results are stored."""
    return {"enqueue, tasks/s": _timed(peer, peer.enqueue, count)}


def enqueue_ignored(peer: Any, count: int) -> dict[str, float]:
    """Send `count` empty tasks, together where the peer can, between two marks; their results are ignored."""
    return {"enqueue in bulk, tasks/s": _timed(peer, peer.enqueue_ignored, count)}


def _timed(peer: Any, send: Callable[[int], None], count: int) -> float:
    mark = str(Path("marks").resolve())
    peer.send_mark(mark)
    start = time.monotonic()
    send(count)
    seconds = time.monotonic() - start
    peer.send_mark(mark)
    return count / seconds


def mark(peer: Any, count: int) -> dict[str, float]:
    """Send one mark."""
    peer.send_mark(str(Path("marks").resolve()))
    return {}


def latency(peer: Any, count: int) -> dict[str, float]:
    """Send `count` tasks, one at a time, each after the result of the one before."""
    to_start, round_trip = [], []
    for number in range(count + 20):
        sent = time.monotonic()
        ran = peer.call()
        if number >= 20:
            to_start.append((ran - sent) * 1e3)
            round_trip.append((time.monotonic() - sent) * 1e3)
    to_start.sort()
    round_trip.sort()
    return {
        "send to start p50, ms": to_start[count // 2],
        "send to start p99, ms": to_start[min(count - 1, count * 99 // 100)],
        "round trip p50, ms": round_trip[count // 2],
    }


if __name__ == "__main__":
    what = {"enqueue": enqueue, "enqueue_ignored": enqueue_ignored, "mark": mark, "latency": latency}[sys.argv[2]]
    result = what(importlib.import_module(sys.argv[1]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # what a library does at exit is not measured
