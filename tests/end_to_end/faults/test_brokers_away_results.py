"""Result stores that are away while tasks end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brokers
import pytest

from kernelq import KernelQ
from kernelq_testkit.faultproxy import Fault, FaultProxy

STORE = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
TASKS = 12

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(params=["redis", "amqp"])
def far(request: pytest.FixtureRequest) -> Iterator[brokers.Broker]:
    """Each broker in turn, with a place of its own."""
    made = brokers.ALL[request.param]()
    yield made
    made.close()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """What stands between the worker and its result store."""
    parts = urlsplit(STORE)
    with FaultProxy(parts.hostname or "127.0.0.1", parts.port or 6379) as proxy:
        yield proxy


@pytest.fixture
def scene(
    far: brokers.Broker, proxy: FaultProxy, scene_with: Callable[[dict[str, Any]], Any], tmp_path: Path
) -> Iterator[Any]:
    """A project whose results go through the proxy to Redis; the test asks for them past it."""
    settings = far.settings(tmp_path, brokers.DEFAULT_LEASE)
    prefix = f"kqt-{tmp_path.name}:"
    settings |= {"result_backend": STORE, "result_backend_transport_options": {"global_keyprefix": prefix}}
    parts = urlsplit(STORE)
    through = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()
    scene = scene_with({**settings, "result_backend": through})
    scene.app.close()
    scene.app = KernelQ("past the proxy", **settings)
    yield scene
    import redis

    with redis.Redis.from_url(STORE) as client:
        for key in client.scan_iter(f"{prefix}*", count=10_000):
            client.delete(key)


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
