"""Networks that fall silent: sockets stay open, and nothing is forwarded."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brokers
import pytest

from kernelq import KernelQ
from kernelq_testkit.faultproxy import Fault, FaultProxy

SILENT = 25.0
"""Seconds from the silence of connections to the start of a task over new ones."""
ANSWERED = 2.0
"""Seconds from the end of the silence to the start of a task."""
HEARTBEAT = 3.0
"""Seconds, for RabbitMQ in the quick run, which is not to wait for the seven that are the default."""
BOTH = ["redis", "amqp"]

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(params=BOTH)
def far(request: pytest.FixtureRequest) -> Iterator[brokers.Broker]:
    """Each broker that is reached over a network, with a place of its own."""
    made = brokers.ALL[request.param]()
    yield made
    made.close()


@pytest.fixture
def settings(far: brokers.Broker, tmp_path: Path, scale: Any) -> dict[str, Any]:
    """What names the broker; the rest is as it comes."""
    settings = far.settings(tmp_path, brokers.DEFAULT_LEASE)
    settings.pop("broker_heartbeat", None)
    return settings if scale.full else {**settings, "broker_heartbeat": HEARTBEAT}


@pytest.fixture
def proxy(settings: dict[str, Any]) -> Iterator[FaultProxy]:
    """What stands between the worker and the broker."""
    parts = urlsplit(settings["broker_url"])
    with FaultProxy(parts.hostname or "127.0.0.1", parts.port or 0) as proxy:
        yield proxy


@pytest.fixture
def scene(settings: dict[str, Any], proxy: FaultProxy, scene_with: Callable[[dict[str, Any]], Any]) -> Any:
    """A project whose worker connects through the proxy, while the test sends past it."""
    parts = urlsplit(settings["broker_url"])
    through = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()
    scene = scene_with({**settings, "broker_url": through})
    scene.app.close()
    scene.app = KernelQ("past the proxy", **settings)
    return scene


def test_forgotten_connections_are_given_up(
    far: brokers.Broker, scene: Any, proxy: FaultProxy, scale: Any, figure: Any
) -> None:
    """By the worker and by the broker: what waited starts in time, and so does what the broker takes for unfinished.

    Of two tasks that run, one ends while the network is silent. Redis is told later; RabbitMQ delivers it once more.
    """
    worker = scene.start("prefork", "-c", "2")
    scene.send("until_let_go", "ends")
    scene.send("until_let_go", "runs")
    scene.until(lambda: scene.ledger.count("start") == 2, "the tasks that run")
    waiting = [f"w{number}" for number in range(20)]
    scene.send_many("work", waiting)

    at = time.monotonic()
    proxy.silence()
    scene.let_go("ends")
    scene.until(lambda: set(waiting) <= set(scene.ledger.keys("end")), "what waited", look=0.1)
    if far.copies:
        scene.until(lambda: Counter(scene.ledger.keys("start"))["ends"] == 2, "what is delivered once more", look=0.1)
    after = [entry.at - at for entry in scene.ledger.entries() if entry.at > at and entry.word == "start"]
    scene.let_go("runs")
    scene.until(scene.empty, "the queue to be empty")

    figure("silent: first and last start after, s", f"{after[0]:.1f} {after[-1]:.1f}")
    assert after[-1] <= scale.bound(SILENT)
    assert [] == scene.tally().lost
    assert {"ends", "runs"} >= {before.key for before, _ in scene.ledger.repeats()}
    assert worker.process.poll() is None


@pytest.mark.parametrize("far", BOTH if os.environ.get("KERNELQ_TEST_SCALE") == "full" else ["amqp"], indirect=True)
def test_a_network_that_answers_again(scene: Any, proxy: FaultProxy, scale: Any, figure: Any) -> None:
    """What was held comes late, on connections that were given up; the worker consumes at once."""
    worker = scene.start("prefork", "-c", "2")
    at = time.monotonic()
    proxy.set(Fault.FREEZE)
    scene.send("work", "meanwhile")
    scene.until(lambda: "connecting to" in worker.log(), "the worker to notice", SILENT * 3)
    noticed = time.monotonic() - at

    answered = time.monotonic()
    proxy.set(Fault.NONE)
    scene.send("work", "probe")
    scene.until(lambda: not scene.tally().lost, "every task to end")
    scene.until(scene.empty, "the queue to be empty")
    started = max(entry.at for entry in scene.ledger.entries() if entry.word == "start")

    figure("frozen: noticed, then consuming, after, s", f"{noticed:.1f} {started - answered:.2f}")
    assert noticed <= scale.bound(SILENT)
    assert started - answered <= scale.bound(ANSWERED)
    assert [] == list(scene.ledger.repeats())
