"""Each pool alone, with a ledger that only counts: no broker, no results. `python -m tests.benchmarks.pools`.

Every figure comes from a process of its own, so no pool meets what another has left behind.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from kernelq.executor import job_from_message
from kernelq.job import Job
from kernelq_worker.hosts import supervise
from kernelq_worker.hosts.policy import HostPolicy
from kernelq_worker.loop import WorkerLoop
from tests.benchmarks.pool_tasks import app

ROOT = Path(__file__).parents[2]
CONCURRENCY = {"prefork": 2, "threads": 8, "asyncio": 100, "gevent": 100, "solo": 1}
"""Slots while empty jobs are counted: two hosts, or one."""
EMPTY = {"asyncio": "bench.aempty"}
"""What is empty there; `bench.empty` elsewhere."""
SLEEPERS = {"asyncio": ("bench.asleep", 5_000), "gevent": ("bench.sleep", 1_000), "threads": ("bench.sleep", 500)}
PATIENCE = 120.0


class Count:
    """A ledger that counts."""

    def __init__(self) -> None:
        self.finished_jobs = 0
        self.failed: list[str] = []

    def started(self, batch: Sequence[tuple[int, int]]) -> None:
        """Pass over."""

    def finished(self, batch: Sequence[tuple[int, Any]]) -> None:
        """Count, and keep what failed."""
        self.finished_jobs += len(batch)
        self.failed += [outcome.detail for _, outcome in batch if outcome.state != "SUCCESS"]

    def lost(self, batch: Sequence[tuple[int, Any]]) -> None:
        """Keep why."""
        self.failed += [loss.cause for _, loss in batch]

    def returned(self, jobs: Sequence[Job]) -> None:
        """Pass over."""


class Rig:
    """A started pool and its loop, in this process."""

    def __init__(self, name: str, concurrency: int) -> None:
        pool = app.discovery.load("kernelq.pools", name)()
        self.loop = WorkerLoop()
        self.ledger = Count()
        began = time.perf_counter()
        self.pool: Any = supervise(
            app,
            pool,
            pool.layout(concurrency, None),
            self.loop,
            self.ledger,
            "bench@here",
            HostPolicy(load="tests.benchmarks.pool_tasks:app"),
        )
        self.start_ms = (time.perf_counter() - began) * 1e3

    def run(self, jobs: Sequence[Job]) -> tuple[float, float]:
        """Run the jobs; return the seconds from the first to the last, and the CPU seconds of this thread."""
        at, wanted = 0, self.ledger.finished_jobs + len(jobs)

        def feed() -> None:
            nonlocal at
            room = self.pool.free
            if room > 0 and at < len(jobs):
                self.pool.submit(jobs[at : at + room])
                at += room

        self.loop.on_turn(feed)
        alarm = self.loop.call_repeatedly(1.0, lambda: None)
        began, cpu = time.perf_counter(), time.thread_time()
        feed()
        self.loop.run(until=lambda: self.ledger.finished_jobs >= wanted or bool(self.ledger.failed))
        spent = time.perf_counter() - began, time.thread_time() - cpu
        alarm.cancel()
        self.loop.off_turn(feed)
        if self.ledger.failed:
            raise RuntimeError(f"{len(self.ledger.failed)} jobs failed, the first: {self.ledger.failed[0]}")
        return spent

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn the loop until `condition` holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            self.loop.turn(0.01)
            if time.monotonic() > end:
                raise TimeoutError(str(self.pool.info()))


@contextmanager
def rig(name: str, concurrency: int) -> Iterator[Rig]:
    """Start a pool, and stop it."""
    made = Rig(name, concurrency)
    try:
        yield made
    finally:
        made.pool.stop(time.monotonic())
        made.loop.close()


def jobs(task: str, count: int, first: int, *args: Any) -> list[Job]:
    """Return `count` jobs as a lane's deliveries make them: one message each, undecoded."""
    model = job_from_message(app.amqp.build(task, args, {}, {}, app.tasks[task]))
    return [
        Job(
            number, model.task, model.task_id, model.headers, model.body, model.properties, model.content_type,
            model.content_encoding, model.delivery_info,
        )
        for number in range(first, first + count)
    ]  # fmt: skip


def empty(name: str, count: int) -> dict[str, float]:
    """Run empty jobs."""
    with rig(name, CONCURRENCY[name]) as made:
        task = EMPTY.get(name, "bench.empty")
        made.run(jobs(task, 2_000, 0))
        others = [psutil.Process(pid) for pid in made.pool.info()["processes"] if pid != os.getpid()]
        before = [other.cpu_times() for other in others]
        seconds, cpu = made.run(jobs(task, count, 2_000))
        spent = sum(sum(other.cpu_times()[:2]) - sum(was[:2]) for other, was in zip(others, before, strict=True))
    found = {f"{name}: empty jobs, jobs/s": count / seconds, f"{name}: supervisor, CPU µs a job": cpu / count * 1e6}
    return found | ({f"{name}: hosts, CPU µs a job": spent / count * 1e6} if others else {})


def sleeps(name: str, count: int) -> dict[str, float]:
    """Run many sleeps of 1 s at a time."""
    task, many = SLEEPERS[name]
    with rig(name, many) as made:
        made.run(jobs("bench.empty", 2_000, 0))
        seconds, _ = made.run(jobs(task, many, 2_000, 1.0))
    return {f"{name}: {many:,} sleeps of 1 s, s": seconds}


def hosts(name: str, count: int) -> dict[str, float]:
    """Start 8 forked hosts, weigh them, kill one and wait for the next."""
    alone = psutil.Process().memory_full_info().pss
    with rig("prefork", 8) as made:
        pids = made.pool.info()["processes"]
        together = sum(psutil.Process(pid).memory_full_info().pss for pid in [os.getpid(), *pids])
        replaced = []
        for pid in pids[:5]:
            # A host that ends before its first job is started again with delay: each shall have had some.
            made.run(jobs("bench.sleep", 64, 0, 0.01))
            began = time.perf_counter()
            os.kill(pid, 9)
            made.until(lambda: made.pool.free < 8)
            made.until(lambda: made.pool.free == 8)
            replaced.append((time.perf_counter() - began) * 1e3)
        return {
            "prefork: start of 8 hosts, ms": made.start_ms,
            "prefork: a killed host replaced and ready, ms": statistics.median(replaced),
            "prefork: PSS that a host adds, MB": (together - alone) / len(pids) / 1e6,
        }


MEASURES: dict[str, Callable[[str, int], dict[str, float]]] = {"empty": empty, "sleeps": sleeps, "hosts": hosts}


def figures(count: int, rounds: int) -> dict[str, list[float]]:
    """Return every figure of every round, of the pools that are installed. Rounds are interleaved."""
    installed = [name for name in CONCURRENCY if name in app.discovery.names("kernelq.pools")]
    wanted = [("empty", name) for name in installed] + [("sleeps", name) for name in installed if name in SLEEPERS]
    if "prefork" in installed:
        wanted.append(("hosts", "prefork"))
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for what, name in wanted:
            for figure, value in _aside(what, name, count).items():
                found[figure].append(value)
    return dict(found)


def _aside(what: str, name: str, count: int) -> dict[str, float]:
    environment = {word: value for word, value in os.environ.items() if word != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "tests.benchmarks.pools", what, name, str(count)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{what} of {name} left with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def lines(found: dict[str, list[float]]) -> Iterator[str]:
    """Yield the medians as text."""
    for figure, values in found.items():
        yield f"{figure}: {statistics.median(values):,.2f}"


def main() -> None:
    """Measure one thing here, where three words are given; all, each in a process of its own, where none are."""
    if len(sys.argv) == 4:
        what, name, count = sys.argv[1:]
        print(json.dumps(MEASURES[what](name, int(count))))
        return
    for line in lines(figures(100_000, 3)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
