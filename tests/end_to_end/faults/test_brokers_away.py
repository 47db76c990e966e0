"""Brokers that restart, and that close their connections, under workers that wait and workers that work.

Each time a probe is sent as soon as the broker answers again: the seconds to its start are what is promised.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from crew import Senders
from node import Node
from node_rabbitmq import RabbitMQNode
from node_redis import RedisNode

from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import BrokerUnreachable

PROMISED = 2.0
"""Seconds from the broker's answer to the start of a task."""
NEAR = 5.0
"""Seconds around a fault within which broker and worker may not agree: on the end of a task that the broker has not yet
noted, and on the beginning of one that the worker still found in a connection that the broker had closed. Nor need a
sender know then whether its last message was taken: it sends it again, and both are run."""

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module", params=[RedisNode, RabbitMQNode], ids=["redis", "amqp"])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Each broker in turn, running, and the module's own."""
    node: Node = request.param(tmp_path_factory.mktemp("node"))
    try:
        node.start()
        yield node
    finally:
        node.kill()


@pytest.fixture
def scene(node: Node, scene_with: Callable[[dict[str, Any]], Any], tmp_path: Path) -> Any:
    """A project on that broker, with a queue of the test's own; results are in a file."""
    return scene_with(
        {
            "broker_url": node.url,
            "result_backend": f"sqlite:///{tmp_path / 'results.db'}",
            "task_default_queue": f"kqt-{uuid4().hex[:10]}",
        }
    )


def restart(node: Node, number: int) -> float:
    """Restart the broker, asked at even numbers and killed at odd ones; return when it answered."""
    node.kill() if number % 2 else node.stop()
    return node.start()


def close_connections(node: Node, _number: int) -> float:
    """Have the broker close its connections; return when it had."""
    node.close_connections()
    return time.monotonic()


FAULTS = pytest.mark.parametrize("fault", [restart, close_connections])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes `runs_in` in every pool at full scale, in one otherwise."""
    if "runs_in" in metafunc.fixturenames:
        pools = [name for name in Discovery().names("kernelq.pools") if name != "solo"]
        metafunc.parametrize("runs_in", pools if os.environ.get("KERNELQ_TEST_SCALE") == "full" else ["prefork"])


@FAULTS
def test_an_idle_worker_consumes_again(
    node: Node, scene: Any, runs_in: str, fault: Any, scale: Any, figure: Any
) -> None:
    """What it ran before does not run again, unless the broker was killed when that had hardly ended."""
    worker = scene.start(runs_in, "-c", "2")
    seconds, faults = [], []
    for number in range(scale.count(6, 1)):
        scene.send("work", f"before-{number}")
        scene.until(scene.empty, "the worker to be idle")
        began = time.monotonic()
        answered = fault(node, number)
        faults.append((began, answered))
        seconds.append(_probe(scene, f"probe-{number}") - answered)

    scene.until(scene.empty, "the queue to be empty")
    figure("idle: consumes again after, s", round(max(seconds), 2))
    assert max(seconds) <= scale.bound(PROMISED)
    assert [] == scene.tally().lost
    assert [] == _doubled_late(scene, faults)
    assert worker.process.poll() is None


@FAULTS
def test_a_busy_worker_consumes_again(
    node: Node, scene: Any, runs_in: str, fault: Any, scale: Any, figure: Any, request: pytest.FixtureRequest
) -> None:
    """Every accepted task ends; none runs twice but those that were running, or had hardly ended."""
    worker = scene.start(runs_in, "-c", "4")
    scene.send("until_let_go", "held")
    senders = Senders(scene.folder, 1, ahead=30)
    request.addfinalizer(senders.kill)
    seconds, faults = [], []
    for number in range(scale.count(6, 1)):
        ended = scene.ledger.count("end")
        scene.until(lambda at=ended: scene.ledger.count("end") > at + 40, "the load to go on")
        began = time.monotonic()
        answered = fault(node, number)
        faults.append((began, answered))
        seconds.append(_next_start(scene, answered) - answered)
    senders.stop()
    scene.let_go("held")
    scene.attempted += senders.attempted()
    scene.accepted |= senders.accepted()
    scene.until(lambda: not scene.tally().lost, "every task to end", look=0.2)
    scene.until(scene.empty, "the queue to be empty")

    figure("busy: consumes again after, s", round(max(seconds), 2))
    figure("counts", scene.ledger.tally(scene.attempted, scene.accepted, {}, (), [at for _, at in faults]).row())
    assert max(seconds) <= scale.bound(PROMISED)
    assert [] == _doubled_late(scene, faults)
    assert {} == scene.dead()
    assert worker.process.poll() is None


@pytest.mark.parametrize("node", [RabbitMQNode], indirect=True, ids=["amqp"])
def test_a_broker_that_takes_nothing(node: RabbitMQNode, scene: Any, scale: Any, figure: Any) -> None:
    """Sends raise in time; what is there runs; what the worker has to publish waits until the broker takes it."""
    worker = scene.start("prefork", "-c", "2")
    for key in ("held", "killed"):
        scene.send("until_let_go", key)
    scene.until(lambda: scene.ledger.count("start") == 2, "the tasks that run")
    queued = [f"queued-{number}" for number in range(20)]
    scene.send_many("work", queued)

    with node.short_of_memory():
        took = _refused(scene)
        scene.let_go("held")
        scene.until(lambda: set(queued) <= set(scene.ledger.keys("end")), "what was there")
        (running,) = [entry.pid for entry in scene.ledger.entries() if entry.key == "killed"]
        scene.harm(running, signal.SIGKILL)
        scene.until(lambda: "lost its host" in worker.log(), "the worker to notice that")
    over = time.monotonic()
    seconds = _probe(scene, "probe") - over
    scene.let_go("killed")
    scene.until(lambda: not scene.tally().lost, "every task to end")
    scene.until(scene.empty, "the queue to be empty")

    figure("blocked: refused, then consuming, after, s", f"{took:.2f} {seconds:.2f}")
    assert took <= scale.bound(5.0)
    assert seconds <= scale.bound(PROMISED)
    assert ["killed"] == [before.key for before, _ in scene.ledger.repeats()]
    assert {} == scene.dead()
    assert worker.process.poll() is None


def _refused(scene: Any) -> float:
    """Send what the broker does not take; return the seconds until that is told."""
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable, match="short of memory"):
        scene.send("work", "refused")
    return time.monotonic() - began


def _probe(scene: Any, key: str) -> float:
    """Send a task and return when it started."""
    scene.send("work", key)
    scene.until(lambda: key in scene.ledger.keys("end"), "the probe")
    return next(entry.at for entry in scene.ledger.entries() if entry.key == key)


def _next_start(scene: Any, since: float) -> float:
    """Return when the first task started after that moment."""

    def starts() -> list[float]:
        return [entry.at for entry in scene.ledger.entries() if entry.word == "start" and entry.at > since]

    scene.until(starts, "a task to start")
    return starts()[0]


def _doubled_late(scene: Any, faults: list[tuple[float, float]]) -> list[str]:
    """Return what started twice without a fault between, or though it had ended well before that.

    Connections are lost at some moment between the beginning of a fault and its end.
    """
    ends = {entry.key: entry.at for entry in reversed(scene.ledger.entries()) if entry.word == "end"}

    def running(key: str, before: float, after: float) -> bool:
        return any(before <= end + NEAR and began <= after and ends[key] > began - NEAR for began, end in faults)

    return [one.key for one, two in scene.ledger.repeats() if not running(one.key, one.at, two.at)]
