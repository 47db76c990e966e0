"""Result stores that are away while tasks end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import brokers
import pytest

from kernelq_testkit.faultproxy import Fault, FaultProxy

TASKS = 12

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(params=["redis", "amqp"])
def far(request: pytest.FixtureRequest) -> Iterator[brokers.Broker]:
    """Each broker in turn, with a place of its own."""
    made = brokers.ALL[request.param]()
    yield made
    made.close()


@pytest.fixture
def scene(far: brokers.Broker, storing_through: Callable[..., Any]) -> Any:
    """A project on that broker with its results behind the proxy."""
    return storing_through(far)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.FREEZE], ids=["reset", "frozen"])
def test_results_are_there_when_their_store_is_back(scene: Any, proxy: FaultProxy, fault: Fault, figure: Any) -> None:
    """Of tasks that end meanwhile, and of those that ran on when it went; none is lost, and the worker lives."""
    worker = scene.start("prefork", "-c", "2")
    scene.send("until_let_go", "early")
    scene.let_go("early")
    assert "early" == scene.accepted["early"].get(timeout=60)
    scene.send("until_let_go", "held")
    scene.until(lambda: "held" in scene.ledger.keys("start"), "the task that runs")

    proxy.set(fault)
    for number in range(TASKS):
        scene.send("until_let_go", f"k{number}")
        scene.let_go(f"k{number}")
    scene.let_go("held")
    scene.until(lambda: "held" in scene.ledger.keys("end"), "its end")
    scene.until(lambda: "cannot store results" in worker.log(), "the worker to notice")
    proxy.set(Fault.NONE)
    took = scene.until(lambda: all(one.ready() for one in scene.accepted.values()), "the results", 120)

    figure("store back: all results there after, s", round(took, 2))
    assert {key: key for key in scene.accepted} == {key: one.get(timeout=30) for key, one in scene.accepted.items()}
    assert [] == scene.tally().lost
    assert {} == scene.dead()
    scene.until(scene.empty, "the queue to be empty")
    assert [] == list(scene.ledger.repeats()), "what has ended waits for the store, and does not run again"
    assert worker.process.poll() is None
