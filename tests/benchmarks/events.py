"""What events cost the supervisor for each task: nobody watching, and with a broker, everything published."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from kernelq import KernelQ
from kernelq.delivery import Delivery
from kernelq.events.backlog import Backlog
from kernelq.events.event import exchange
from kernelq.ids import new_id
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq.request import Request
from kernelq_events.courier import Courier
from kernelq_events.dispatching import WorkerEvents
from kernelq_events.records import encode
from kernelq_worker.requests import Ledger
from tests.benchmarks import servers

BATCH = 16
"""Tasks that the worker handles in one turn of its loop."""


class _Nobody:
    """Stands for the settler and the pool."""

    waiting = ()
    overfull = False
    free = 1_000

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def figures(count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the figures by broker."""
    with servers.redis(servers.cores()[0]) as redis, servers.rabbitmq(servers.cores()[0]) as rabbitmq:
        urls = {"memory": "memory://", "Redis": redis, "RabbitMQ": rabbitmq}
        return {name: microseconds(url, count, rounds) for name, url in urls.items()}


def lines(figures: dict[str, dict[str, float]]) -> list[str]:
    """Return them as sentences."""
    return [
        f"events, {name}: {each['off']:.2f} µs for each task when off, {each['on']:.1f} when on (3 events published)"
        for name, each in figures.items()
    ]


def microseconds(url: str, count: int, rounds: int = 5) -> dict[str, float]:
    """Return µs of CPU time for each task, the medians of `rounds`: without events, and what they add.

    With events, three for each task are made, encoded and published to the broker at `url`, the thread's part included.
    """
    bare, off, on = [], [], []
    for _ in range(rounds):
        bare.append(_cpu(_ledger(telling=False), count))
        off.append(_cpu(_ledger(), count))
        on.append(_published(url, count))
    base = statistics.median(bare)
    return {"off": statistics.median(off) - base, "on": statistics.median(on) - base, "ledger": base}


def _published(url: str, count: int) -> float:
    with KernelQ("events", broker=url, backend="disabled://", event_exchange=f"kqb-{new_id()}") as app:
        ledger, backlog = _ledger(), Backlog(4 * count)
        events = WorkerEvents(app, "celery@bench", 1, ledger, backlog)
        courier = Courier(app.transport, app.conf, "celery@bench", backlog, encode)
        courier.start()
        courier.attach()
        events.open(courier.wake)
        events.enable()
        events.send("worker-online")
        while not courier.idle:  # the connection stands, and is no task's cost
            time.sleep(0.005)
        try:
            return _cpu(ledger, count, lambda: _empty(courier))
        finally:
            courier.stop()
            with app.transport.connection() as connection:
                exchange(connection, app.conf.event_exchange)(connection.default_channel).delete()
            if backlog.dropped:
                raise RuntimeError(f"{backlog.dropped} events were dropped")


def _cpu(ledger: Ledger, count: int, end: Callable[[], None] = lambda: None) -> float:
    """Bring `count` tasks through the ledger; return the process's CPU time for each in µs."""
    batches = [[_request() for _ in range(BATCH)] for _ in range(count // BATCH)]
    done = Outcome("SUCCESS", runtime=0.001, detail="3")
    gc.collect()
    gc.disable()
    began = time.process_time()
    for batch in batches:
        ledger.accept(batch)
        ledger.started([(request.job.id, 7) for request in batch])
        ledger.finished([(request.job.id, done) for request in batch])
    end()
    took = time.process_time() - began
    gc.enable()
    return took / (len(batches) * BATCH) * 1e6


def _empty(courier: Courier) -> None:
    while not courier.idle:
        time.sleep(0.005)


def _ledger(telling: bool = True) -> Ledger:
    nobody: Any = _Nobody()
    ledger = Ledger(nobody, SimpleNamespace(most=3))  # type: ignore[arg-type]  # nothing is lost here
    ledger.pool = nobody
    if not telling:
        ledger._tell = lambda what, batch: None  # type: ignore[method-assign]  # what the difference is to
    return ledger


def _request() -> Request:
    task_id = new_id()
    headers = {
        "task": "proj.tasks.add", "id": task_id, "argsrepr": "(1, 2)", "kwargsrepr": "{'name': 'value'}",
        "root_id": task_id, "parent_id": None, "retries": 0, "eta": None, "expires": None, "shadow": None,
    }  # fmt: skip
    delivery = Delivery(task_id, "celery", headers, b"", {})
    return Request(Job(0, "proj.tasks.add", task_id, headers, b"", {}, "", "", {}), delivery, 0.0)
