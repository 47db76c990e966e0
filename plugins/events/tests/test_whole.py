"""A whole worker beside Celery's own receiver and state: every event, every field, every broker."""

from __future__ import annotations

import contextlib
import operator
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from celery_events import Seen, celerys_receiver
from node_rabbitmq import RabbitMQNode
from node_redis import RedisNode

from kernelq import KernelQ, Reject
from kernelq.events.event import utcoffset
from kernelq.kernel.errors import Unreachable
from kernelq.keys import EVENTS, REQUESTS, STATE
from kernelq_events.courier import Courier
from kernelq_events.keys import COURIER
from kernelq_testkit.running import RunningWorker
from kernelq_testkit.waiting import eventually

COMMON = {"type", "hostname", "utcoffset", "pid", "timestamp", "clock", "local_received"}
NODE = "w1@here"


def tasks(app: KernelQ) -> dict[str, Any]:
    """Register a task for each end that there is, and note what `add` was called with."""
    added: list[int] = []

    @app.task(name="t.add")
    def add(a: int, b: int) -> int:
        added.append(a)
        return a + b

    @app.task(name="t.boom")
    def boom() -> None:
        raise ValueError("no")

    @app.task(name="t.again", bind=True, max_retries=1)
    def again(self: Any) -> str:
        if not self.request.retries:
            raise self.retry(exc=KeyError("later"), countdown=0)
        return "done"

    @app.task(name="t.refuse")
    def refuse() -> None:
        raise Reject("not me", requeue=False)

    @app.task(name="t.quiet", send_events=False)
    def quiet() -> None: ...

    @app.task(name="t.tell", bind=True)
    def tell(self: Any) -> None:
        self.send_event("task-progress", done=3, retry=True)

    return {"tell": tell, "add": add, "boom": boom, "again": again, "refuse": refuse, "quiet": quiet, "added": added}


@pytest.fixture
def run(scene) -> Iterator[Callable[..., tuple[dict[str, Any], Seen, RunningWorker]]]:
    """A function that starts a worker with these settings, which Celery's receiver hears."""
    with contextlib.ExitStack() as stack:

        def run(**settings: Any) -> tuple[dict[str, Any], Seen, RunningWorker]:
            scene.app.conf.update(settings)
            known = tasks(scene.app)
            seen = stack.enter_context(celerys_receiver(scene.app, scene.celery))
            running = RunningWorker(scene.app, hostname=NODE)
            stack.enter_context(running)
            return known, seen, running

        yield run


servers = pytest.mark.parametrize(
    "scene",
    [pytest.param("redis", marks=pytest.mark.broker), pytest.param("amqp", marks=pytest.mark.broker)],
    indirect=True,
)
remote = pytest.mark.parametrize("scene", [pytest.param("redis", marks=pytest.mark.broker)], indirect=True)
within = pytest.mark.parametrize("scene", ["memory"], indirect=True)


def own(event: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that not every event has."""
    assert COMMON <= set(event)
    assert (NODE, os.getpid(), utcoffset()) == (event["hostname"], event["pid"], event["utcoffset"])
    assert abs(event["local_received"] - event["timestamp"]) < 30
    return {name: value for name, value in event.items() if name not in COMMON}


def story(seen: Seen, task_id: str) -> list[dict[str, Any]]:
    """Return the events of one task, as (type, own fields)."""
    events = sorted((one for one in seen if one.get("uuid") == task_id), key=lambda one: one["clock"])
    return [{"type": one["type"], **own(one)} for one in events]


def test_a_task_is_told_from_its_reception_to_its_end(run):
    known, seen, _ = run(worker_send_task_events=True)
    result = known["add"].apply_async((1, 2), expires=600)
    seen.wait_for("task-succeeded")

    received, started, succeeded = story(seen, result.id)
    expires = received.pop("expires")
    assert {
        "type": "task-received", "uuid": result.id, "name": "t.add", "args": "(1, 2)", "kwargs": "{}",
        "root_id": result.id, "parent_id": None, "retries": 0, "eta": None,
    } == received  # fmt: skip
    assert time.time() < datetime.fromisoformat(expires).timestamp()
    assert {"type": "task-started", "uuid": result.id} == started
    assert 0 <= succeeded.pop("runtime") < 30
    assert {"type": "task-succeeded", "uuid": result.id, "result": "3"} == succeeded
    task = seen.state.tasks[result.id]
    assert ("SUCCESS", "t.add", "(1, 2)", "3", NODE) == (
        task.state, task.name, task.args, task.result, task.worker.hostname,
    )  # fmt: skip


@servers
def test_every_other_end_is_told(run, scene):
    known, seen, running = run(worker_send_task_events=True)
    failed, retried, refused = (known[name].delay() for name in ("boom", "again", "refuse"))
    expired = scene.app.amqp.message("t.add", (1, 2), expires=-1)
    expired.properties.pop("expiration")  # by which RabbitMQ would drop it unseen
    scene.app.sender.publish(expired)
    unwanted = known["add"].apply_async((1, 2), task_id="unwanted", countdown=1)
    running.worker.context[STATE].revoke(["unwanted"])
    seen.wait_for("task-rejected")
    seen.wait_for("task-succeeded")
    seen.wait_for("task-revoked", 2)

    ended = story(seen, failed.id)[-1]
    assert "task-failed" == ended["type"]
    assert "ValueError('no')" == ended["exception"]
    assert ended["traceback"].startswith("Traceback")
    assert {"type", "uuid", "exception", "traceback"} == set(ended)

    types = [one["type"] for one in story(seen, retried.id)]
    assert ["task-received", "task-started", "task-retried", "task-received", "task-started", "task-succeeded"] == types
    assert "KeyError('later')" == story(seen, retried.id)[2]["exception"]
    assert [0, 1] == [one["retries"] for one in story(seen, retried.id) if one["type"] == "task-received"]

    assert ["task-failed", "task-rejected"] == [one["type"] for one in story(seen, refused.id)[-2:]]
    assert {"type": "task-rejected", "uuid": refused.id, "requeue": False} == story(seen, refused.id)[-1]

    revoked = {"type": "task-revoked", "terminated": False, "signum": None}
    assert [{**revoked, "uuid": expired.id, "expired": True}] == story(seen, expired.id)
    assert [{**revoked, "uuid": unwanted.id, "expired": False}] == story(seen, unwanted.id)
    assert {"FAILURE", "SUCCESS", "REVOKED"} == {one.state for one in seen.state.tasks.values()}


@remote
def test_the_worker_is_told_from_its_start_to_its_end(run):
    _, seen, running = run(worker_heartbeat_interval=0.2)
    seen.wait_for("worker-heartbeat", 2)
    assert seen.state.workers[NODE].alive
    running.stop()
    seen.wait_for("worker-offline")

    kinds = [one["type"] for one in seen]
    assert ("worker-online", "worker-offline") == (kinds[0], kinds[-1])
    for one in seen:
        fields = own(one)
        assert {"freq", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys"} == set(fields)
        assert (0.2, 0, 0, "kernelq") == tuple(fields[name] for name in ("freq", "active", "processed", "sw_ident"))
    assert sorted({one["clock"] for one in seen}) == [one["clock"] for one in seen]


@remote
def test_events_of_tasks_are_switched_from_afar(run, scene):
    known, seen, _ = run()
    add, added = known["add"], known["added"]

    def tell(command: str) -> str:
        (reply,) = scene.app.control.broadcast(command, destination=[NODE], reply=True, timeout=30)
        return reply[NODE]["ok"]

    def run_unheard(number: int) -> None:
        add.delay(number, 0)
        eventually(lambda: number in added, 30, wanted="a task that has run")

    run_unheard(1)
    told = [tell("enable_events"), tell("enable_events")]
    second = add.delay(2, 0)
    seen.wait_for("task-succeeded")
    told.append(tell("disable_events"))
    run_unheard(3)
    told.append(tell("enable_events"))
    last = add.delay(4, 0)
    seen.wait_for("task-succeeded", 2)

    assert [
        "task events enabled", "task events already enabled", "task events disabled", "task events enabled",
    ] == told  # fmt: skip
    assert {second.id, last.id} == {one["uuid"] for one in seen if one["type"].startswith("task-")}


@within
def test_of_a_task_that_sends_no_events_nothing_is_told(run):
    known, seen, _ = run(worker_send_task_events=True)
    quiet = known["quiet"].delay()
    known["add"].delay(1, 2)
    seen.wait_for("task-succeeded")

    assert [] == story(seen, quiet.id)


@remote
def test_a_task_tells_monitors_what_it_likes(run):
    """As the node that runs it; whether workers tell of tasks or not."""
    known, seen, _ = run()
    result = known["tell"].delay()
    seen.wait_for("task-progress")

    assert [{"type": "task-progress", "uuid": result.id, "done": 3}] == story(seen, result.id)
    assert "PROGRESS" == seen.state.tasks[result.id].state


@remote
def test_a_heartbeat_can_be_asked_for(run, scene):
    _, seen, _ = run(worker_without_heartbeat=True)
    scene.app.control.heartbeat()
    (one,) = seen.wait_for("worker-heartbeat")

    assert (NODE, 2.0) == (one["hostname"], one["freq"])


@pytest.mark.broker
def test_over_a_restart_of_the_broker_no_event_is_lost(make_scene, tmp_path, monkeypatch):
    """What ends while the broker is away is told afterwards; here the worker waits until somebody listens again."""
    listens, attach = threading.Event(), Courier.attach

    def attach_late(courier: Courier) -> None:
        assert listens.wait(60)
        attach(courier)

    monkeypatch.setattr(Courier, "attach", attach_late)
    node, end = RedisNode(tmp_path / "redis"), tmp_path / "end"
    node.start()
    scene = make_scene(node.url, worker_send_task_events=True, worker_heartbeat_interval=0.1)

    @scene.app.task(name="t.add")
    def add(a: int, b: int) -> int:
        return a + b

    @scene.app.task(name="t.slow")
    def slow() -> None:
        eventually(end.exists, 60, wanted="the end")

    try:
        with contextlib.ExitStack() as stack:
            with celerys_receiver(scene.app, scene.celery) as before:
                listens.set()
                running = stack.enter_context(RunningWorker(scene.app, hostname=NODE, pool="threads", concurrency=2))
                first = [add.delay(number, 1).id for number in range(20)]
                held = slow.delay().id
                before.wait_for("task-succeeded", 20)
                before.wait_for("task-started", 21)
                listens.clear()
            node.kill()
            courier = running.worker.context[COURIER]
            eventually(lambda: not courier._attached, 30, wanted="a worker that has lost its broker")
            end.touch()
            eventually(lambda: not running.worker.context[REQUESTS].active(), 30, wanted="a task that has ended")
            node.start()
            with celerys_receiver(scene.app, scene.celery) as after:
                listens.set()
                second = [add.delay(number, 1).id for number in range(20)]
                after.wait_for("task-succeeded", 21)
                after.wait_for("worker-heartbeat")
                assert 0 == running.worker.context[EVENTS].dropped
                running.stop()
    finally:
        node.kill()

    assert {*first} == {one["uuid"] for one in before.of("task-succeeded")}
    assert {held, *second} == {one["uuid"] for one in after.of("task-succeeded")}
    assert held == next(one["uuid"] for one in after if "uuid" in one), "what was kept goes out first"
    assert "worker-online" in {one["type"] for one in after}


class Load:
    """Tasks that are sent one after the other, also while there is no broker; that is tried again."""

    def __init__(self, task: Any) -> None:
        self.sent: set[str] = set()
        """Those that the broker has taken."""
        self._task, self._ending = task, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join(60)

    def more(self, count: int) -> None:
        """Wait until so many more were taken."""
        wanted = len(self.sent) + count
        eventually(lambda: len(self.sent) >= wanted, 60, wanted=f"{wanted} tasks that were sent")

    def _run(self) -> None:
        number = 0
        while not self._ending.wait(0.01):
            number += 1
            with contextlib.suppress(Unreachable):
                self.sent.add(self._task.delay(number, 0).id)


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("make_node", [RedisNode, RabbitMQNode], ids=["redis", "amqp"])
def test_of_tasks_that_run_over_a_restart_of_the_broker_every_end_is_seen(make_scene, tmp_path, monkeypatch, make_node):
    """Before it and after it, by who listens then; meanwhile the worker keeps what it cannot tell."""
    listens, attach = threading.Event(), Courier.attach

    def attach_late(courier: Courier) -> None:
        assert listens.wait(120)
        attach(courier)

    monkeypatch.setattr(Courier, "attach", attach_late)
    node = make_node(tmp_path / "node")
    node.start()
    try:
        scene = make_scene(node.url, worker_send_task_events=True, broker_connection_timeout=2.0)
        add = scene.app.task(name="t.add")(operator.add)
        with contextlib.ExitStack() as stack:
            with celerys_receiver(scene.app, scene.celery) as before:
                listens.set()
                running = stack.enter_context(RunningWorker(scene.app, hostname=NODE, pool="threads", concurrency=2))
                load = stack.enter_context(Load(add))
                load.more(50)
                before.wait_for("task-succeeded", 20)
                listens.clear()
                courier = running.worker.context[COURIER]
                courier.detach()
                eventually(lambda: not courier._busy, 30, wanted="a courier that rests")
                with scene.app.transport.connection() as connection, scene.celery.events.Dispatcher(connection) as last:
                    last.send("kqt-last")
                before.wait_for("kqt-last")
            load.more(20)
            node.kill()
            eventually(lambda: running.worker.info()["Consumer"]["restarts"], 60, wanted="a worker that noticed")
            node.start()
            with celerys_receiver(scene.app, scene.celery) as after:
                listens.set()
                load.more(50)
                load.__exit__()
                told = lambda: {one["uuid"] for one in (*before, *after) if one["type"] == "task-succeeded"}  # noqa: E731
                eventually(lambda: load.sent <= told(), 60, wanted="the ends of all tasks")
                assert 0 == running.worker.context[EVENTS].dropped
                running.stop()
    finally:
        node.kill()
    print(f"{len(load.sent)} tasks: {len(before)} events before, {len(after)} after")
