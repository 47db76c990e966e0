"""A result store that says nothing: the worker serves all that needs none, and stores when it is back."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import brokers
import pytest

from kernelq_testkit.faultproxy import Fault, FaultProxy

TIMEOUT = 8.0
"""Seconds that the worker waits for its store in each attempt."""
ATTEMPTS = 5
"""In one of so many attempts all that is sent when it begins is to be served before it ends."""
WITH_RESULT = 6

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(params=["sqlite", "redis", "amqp"])
def far(request: pytest.FixtureRequest) -> Iterator[brokers.Broker]:
    """Each broker in turn, with a place of its own."""
    made = brokers.ALL[request.param]()
    yield made
    made.close()


@pytest.fixture
def scene(far: brokers.Broker, storing_through: Callable[..., Any]) -> Any:
    """A project on that broker with its results behind the proxy."""
    return storing_through(far, redis_socket_timeout=TIMEOUT)


def failures(worker: Any) -> int:
    """Return how many attempts to store have failed."""
    return int(worker.log().count("cannot store results"))


def served_within_an_attempt(scene: Any, proxy: FaultProxy, worker: Any, number: int) -> bool:
    """Kill a host, send tasks and ask the worker when its next attempt to store begins.

    Return whether it has done all that before the attempt fails.
    """
    before, hosts = proxy.connections, scene.hosts(worker)
    scene.until(lambda: proxy.connections > before, "the next attempt to store", look=0.005)
    known = failures(worker)
    scene.harm(hosts[0], signal.SIGKILL)
    scene.until(lambda: len(set(scene.hosts(worker)) - {hosts[0]}) == 2, "another host", look=0.005)
    keys = [f"w{number}{key}" for key in "abcd"]
    scene.send_many("work", keys)
    scene.until(lambda: set(keys) <= set(scene.ledger.keys("end")), "tasks without results", look=0.005)
    assert scene.app.control.ping(destination=[worker.node], timeout=60)
    settled = (WITH_RESULT, 0)  # or as RabbitMQ, which does not tell what is in flight
    scene.until(lambda: scene.queue().in_flight in settled, "all others to be settled", look=0.005)
    return failures(worker) == known


def test_what_needs_no_result_is_served_while_the_store_is_silent(
    scene: Any, proxy: FaultProxy, figure: Callable[[str, object], None]
) -> None:
    """Tasks without results run and are settled, commands are answered, and hosts are replaced, within one attempt."""
    worker = scene.start("prefork", "-c", "2")
    scene.send("until_let_go", "early")
    scene.let_go("early")
    assert "early" == scene.accepted["early"].get(timeout=60)
    scene.until(scene.empty, "the worker to hear that it is stored")

    proxy.set(Fault.FREEZE)
    for number in range(WITH_RESULT):
        scene.send("until_let_go", f"k{number}")
        scene.let_go(f"k{number}")
    scene.until(lambda: failures(worker), "the worker to notice")
    tried = next((n for n in range(ATTEMPTS) if served_within_an_attempt(scene, proxy, worker, n)), None)
    figure("silent store: served within attempt", tried)
    assert tried is not None, scene.logs()
    assert not any(scene.accepted[f"k{number}"].ready() for number in range(WITH_RESULT))

    proxy.set(Fault.NONE)
    took = scene.until(lambda: all(scene.accepted[f"k{n}"].ready() for n in range(WITH_RESULT)), "the results", 120)
    figure("silent store: all results there after, s", round(took, 2))
    scene.until(scene.empty, "the queue to be empty")
    assert [] == scene.tally().lost
    assert {} == scene.dead()
    assert [] == list(scene.ledger.repeats()), "what waits for the store does not run again"
    worker.signal()
    assert 0 == worker.exit_code()


@pytest.mark.parametrize("bound", ["worker_result_store_wait", "worker_shutdown_timeout"])
def test_a_worker_that_is_to_stop_ends_while_the_store_is_silent(scene: Any, proxy: FaultProxy, bound: str) -> None:
    """After what the settings say. Tasks whose results were not stored run again elsewhere; none is lost."""
    path = scene.folder / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {bound: 5.0, "redis_socket_timeout": 4.0}))
    worker = scene.start("prefork", "-c", "2")
    scene.send("until_let_go", "early")
    scene.let_go("early")
    assert "early" == scene.accepted["early"].get(timeout=60)
    scene.until(scene.empty, "the worker to hear that it is stored")

    proxy.set(Fault.FREEZE)
    keys = [f"k{number}" for number in range(WITH_RESULT)]
    for key in keys:
        scene.send("until_let_go", key)
        scene.let_go(key)
    scene.until(lambda: failures(worker), "the worker to notice")
    worker.signal()
    assert 0 == worker.exit_code()
    assert not any(scene.accepted[key].ready() for key in keys)

    proxy.reset()
    proxy.set(Fault.NONE)
    scene.start("prefork", "-c", "2", name="w2")
    assert keys == [scene.accepted[key].get(timeout=120) for key in keys]
    scene.until(scene.empty, "the queue to be empty")
    assert [] == scene.tally().lost
    assert {} == scene.dead()
