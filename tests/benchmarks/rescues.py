"""What ``celery_rescues`` costs: processor time of Redis and of a worker for each task, with it and without.

``python -m tests.benchmarks.rescues``; runs interleaved rounds on a Redis of its own, and prints the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import psutil
from redis import Redis

from kernelq import KernelQ
from tests.benchmarks import servers

MODES = {"off": False, "on": True}

OPTIONS = json.loads(os.environ.get("BENCH_OPTIONS", "{}"))
app = KernelQ("bench", broker=os.environ.get("BENCH_SERVER", "redis://"))
app.conf.update(broker_transport_options=OPTIONS)


@app.task(name="bench.empty", ignore_result=True)
def empty() -> None:
    """Do nothing."""


def seconds(process: psutil.Process) -> float:
    """Return the processor time of a process and its children."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def drain(url: str, client: Redis, rescues: bool, count: int) -> tuple[float, float]:
    """Have a new worker run `count` tasks; return the microseconds of Redis, with the sending, and of the worker."""
    options = {"celery_rescues": rescues}
    environment = {**os.environ, "BENCH_SERVER": url, "BENCH_OPTIONS": json.dumps(options)}
    command = [sys.executable, "-m", "kernelq", "-A", "tests.benchmarks.rescues", "worker", "-P", "prefork", "-c", "2"]
    worker = subprocess.Popen([*command, "-l", "warning"], env=environment)
    try:
        with KernelQ("bench", broker=url) as sender:
            empty_task = sender.signature("bench.empty")
            sender.send_many([empty_task] * 500)  # hosts start, and imports are done, before anything is measured
            _empty(sender)
            process = psutil.Process(worker.pid)
            before = _redis(client), seconds(process)
            parts = 10
            for _ in range(parts):
                sender.send_many([empty_task] * (count // parts))
            _empty(sender)
            after = _redis(client), seconds(process)
        return (after[0] - before[0]) / count * 1e6, (after[1] - before[1]) / count * 1e6
    finally:
        worker.terminate()
        worker.wait(30)


def _redis(client: Redis) -> float:
    info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _empty(sender: KernelQ) -> None:
    admin = sender.transport.admin()
    while any(one.ready or one.in_flight for one in admin.queues()):
        time.sleep(0.2)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {mode: [] for mode in MODES}
    with servers.redis(servers.cores()[0]) as url, Redis.from_url(url) as client:
        for _ in range(given.rounds):
            for mode, rescues in MODES.items():
                found[mode].append(drain(url, client, rescues, given.tasks))
    print("celery_rescues   Redis µs/task   worker µs/task")
    for mode, figures in found.items():
        redis, worker = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{mode:14}   {redis:13.1f}   {worker:14.1f}")


if __name__ == "__main__":
    main()
