"""A worker in the test's own process: memory broker, solo pool."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kernelq import KernelQ, hookimpl
from kernelq.kernel.errors import BackendUnreachable, ConfigurationError, PluginNotFound
from kernelq.kernel.step import Step
from kernelq.keys import REQUESTS, STATE
from kernelq_worker.worker import Worker

OWN = "kernelq-worker"


class Running:
    """A worker in a thread, and its app."""

    def __init__(self, app: KernelQ, **options: Any) -> None:
        self.app = app
        self.worker = Worker(app, **({"pool": "solo", "concurrency": 1} | options))
        self.thread = threading.Thread(target=self.worker.run)

    def start(self) -> Running:
        self.thread.start()
        assert self.worker.wait_ready(30)
        return self

    def stop(self) -> None:
        if self.thread.is_alive():
            self.worker.shutdown()
            self.thread.join(10)
        assert not self.thread.is_alive()
        self.app.close()


@pytest.fixture
def app() -> KernelQ:
    made = KernelQ("t", broker="memory://", backend="memory://")

    @made.task(name="t.add")
    def add(a: int, b: int) -> int:
        return a + b

    return made


@pytest.fixture
def run() -> Iterator[Any]:
    started: list[Running] = []

    def begin(app: KernelQ, **options: Any) -> Running:
        started.append(Running(app, **options))
        return started[-1].start()

    yield begin
    for one in started:
        one.stop()


def test_a_task_runs_end_to_end(app: KernelQ, run: Any) -> None:
    run(app)

    assert 3 == app.send_task("t.add", (1, 2)).get(timeout=30)


def test_the_hooks_of_its_life_are_told_in_order(app: KernelQ, run: Any) -> None:
    """With Celery's names."""
    told: list[str] = []

    class Listener:
        @hookimpl
        def celeryd_init(self) -> None:
            told.append("celeryd_init")

        @hookimpl
        def celeryd_after_setup(self) -> None:
            told.append("celeryd_after_setup")

        @hookimpl
        def worker_init(self) -> None:
            told.append("worker_init")

        @hookimpl
        def worker_ready(self) -> None:
            told.append("worker_ready")

        @hookimpl
        def task_received(self, request: Any) -> None:
            told.append(f"task_received {request.task}")

        @hookimpl
        def worker_shutting_down(self, how: str) -> None:
            told.append(f"worker_shutting_down {how}")

        @hookimpl
        def worker_shutdown(self) -> None:
            told.append("worker_shutdown")

    app.register(Listener())

    running = run(app)
    app.send_task("t.add", (1, 2)).get(timeout=30)
    running.stop()

    life = ["celeryd_init", "celeryd_after_setup", "worker_init", "worker_ready"]
    end = ["worker_shutting_down warm", "worker_shutdown"]
    assert [*life, "task_received t.add", *end] == told


@pytest.mark.parametrize(
    ("headers", "hook"),
    [
        ({"task": "t.gone", "id": "x"}, "task_unknown"),
        ({"task": "t.add", "id": 5}, "task_rejected"),
        ({"task": "t.add", "id": "x", "expires": "2020-01-01T00:00:00"}, "task_revoked"),
    ],
)
def test_what_does_not_run_is_told(app: KernelQ, run: Any, headers: dict[str, Any], hook: str) -> None:
    from kernelq.message import Message

    told = threading.Event()
    plugin = type("Plugin", (), {hook: staticmethod(hookimpl(specname=hook)(lambda sender: told.set()))})
    app.register(plugin())
    run(app)

    app.sender.publish(Message("x", headers, b"[[], {}, {}]", {}, "celery"))

    assert told.wait(30)


def test_a_step_of_the_app_takes_part(app: KernelQ, run: Any) -> None:
    life: list[str] = []

    class Mine(Step):
        requires = (STATE,)

        def start(self, ctx: Any) -> None:
            life.append(f"start {sorted(ctx[STATE].totals)}")

        def stop(self, ctx: Any) -> None:
            life.append("stop")

        def info(self, ctx: Any) -> dict[str, Any]:
            return {"mine": 1}

    app.add_step(Mine)

    running = run(app)
    assert {"mine": 1} == running.worker.info()["Mine"]
    running.stop()

    assert ["start []", "stop"] == life


def test_the_plans_are_the_ones_that_are_documented(app: KernelQ) -> None:
    """Of this distribution; what other plugins add stands between."""
    outer, inner = ([step.name for step in plan.steps if step.distribution == OWN] for plan in Worker(app).resolve())

    assert ["Queues", "Timer", "Hub", "Pool", "StateDB", "Consumer"] == outer
    assert ["Connection", "Tasks", "Evloop"] == inner


def test_child_processes_need_a_broker_that_they_can_share(app: KernelQ) -> None:
    with pytest.raises(ConfigurationError, match="-P solo"):
        Worker(app, pool="threads").run()


def test_an_unknown_pool_is_told(app: KernelQ) -> None:
    with pytest.raises(PluginNotFound, match="Did you mean 'solo'"):
        Worker(app, pool="sole").run()


def test_a_failed_start_stops_what_had_started(app: KernelQ) -> None:
    """The error is the one that was raised, and the worker can be asked to stop again."""
    stopped: list[str] = []

    class First(Step):
        def stop(self, ctx: Any) -> None:
            stopped.append("First")

    class Broken(Step):
        after = ("First",)
        before = ("Consumer",)

        def start(self, ctx: Any) -> None:
            raise RuntimeError("no")

    app.add_step(First)
    app.add_step(Broken)
    worker = Worker(app, pool="solo")

    with pytest.raises(RuntimeError, match="no"):
        worker.run()

    assert "First" in stopped
    worker.stop()


def test_purging_empties_the_queues_first(app: KernelQ, run: Any) -> None:
    lost = app.send_task("t.add", (1, 2))

    run(app, purge=True)

    assert 7 == app.send_task("t.add", (3, 4)).get(timeout=30)
    assert "PENDING" == lost.state


def test_only_the_selected_queues_are_consumed(app: KernelQ, run: Any) -> None:
    run(app, queues=["mine"])

    other = app.send_task("t.add", (1, 1))
    assert 4 == app.send_task("t.add", (2, 2), queue="mine").get(timeout=30)

    assert "PENDING" == other.state


def test_results_wait_for_a_store_that_is_away(app: KernelQ, run: Any) -> None:
    """Nothing is settled before; when the store is back the result is there, and the task ran once."""
    ran: list[int] = []

    @app.task(name="t.once")
    def once() -> int:
        ran.append(1)
        return len(ran)

    running = run(app)
    away = threading.Event()
    refused = threading.Event()
    backend = app.backend
    store = backend.store_many

    def store_many(records: Any) -> None:
        if away.is_set():
            refused.set()
            raise BackendUnreachable("pulled out")
        store(records)

    settler = running.worker.context[REQUESTS].settler
    settler._storing._store_many = store_many
    settler._commits = False  # as with a store of its own
    away.set()

    result = once.delay()
    assert refused.wait(30)
    assert "PENDING" == result.state
    assert 1 == app.transport.admin().queues()[0].in_flight
    away.clear()

    assert 1 == result.get(timeout=30)
    assert [1] == ran
