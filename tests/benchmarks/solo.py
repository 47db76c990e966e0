"""Everything in one process: memory broker, memory results, solo pool. What KernelQ itself costs for each task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def tasks_per_second(count: int) -> float:
    """Run `count` empty tasks in a new process, results stored."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), sys.executable, __file__, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    if done.returncode:
        raise RuntimeError(f"left with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(count: int) -> float:
    """Return tasks a second over the whole path: sent one by one, executed, settled, each result stored.

    The time of sending is added to that of draining, which two marker tasks tell; the start of the worker is left out.
    """
    from kernelq import KernelQ
    from kernelq_worker.worker import Worker

    app = KernelQ("solo", broker="memory://bench", backend="memory://bench")
    times: list[float] = []

    @app.task
    def empty() -> None: ...

    @app.task
    def mark() -> None:
        times.append(time.perf_counter())
        if len(times) == 2:
            worker.shutdown()

    mark.delay()
    began = time.perf_counter()
    results = [empty.delay() for _ in range(count)]
    sending = time.perf_counter() - began
    mark.delay()
    worker = Worker(app, pool="solo", concurrency=1)
    worker.run()
    missing = [result.id for result in results if app.backend is None or app.backend.get(result.id) is None]
    if missing:
        raise RuntimeError(f"{len(missing)} of {count} tasks have no result")
    return count / (sending + times[1] - times[0])


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
