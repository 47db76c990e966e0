"""Workers that lose their connection with tasks that have not begun."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brokers
import pytest

from kernelq_testkit.faultproxy import Fault, FaultProxy

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def far() -> Iterator[brokers.Broker]:
    """RabbitMQ, with a place of the test's own."""
    made = brokers.ALL["amqp"]()
    yield made
    made.close()


@pytest.fixture
def scene(far: brokers.Broker, scene_with: Callable[[dict[str, Any]], Any], tmp_path: Path) -> Any:
    """A project there."""
    return scene_with(far.settings(tmp_path, brokers.DEFAULT_LEASE))


def test_what_had_not_begun_when_the_connection_was_lost_runs_elsewhere_only(scene: Any) -> None:
    """Given a task that runs and three that wait, when RabbitMQ has given all of them to another worker.

    The one that ran goes on, and has a free slot when it ends; none of the others begins in it, and the worker works
    on once it is connected again.
    """
    parts = urlsplit(scene.app.conf.broker_url)
    with FaultProxy(parts.hostname or "127.0.0.1", parts.port or 0) as proxy:
        through = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()
        ahead = ("worker_optimization=default", "worker_prefetch_multiplier=4", f"broker_url={through}")
        cut_off = scene.start("prefork", "-c", "1", *ahead, name="w1")
        asked = scene.app.control.inspect(destination=[cut_off.node], timeout=5)
        scene.send("until_let_go", "a")
        scene.until(lambda: (asked.active() or {}).get(cut_off.node), "its worker to know that it runs")
        scene.send_many("work", ["b", "c", "d"])
        scene.until(lambda: len((asked.reserved() or {}).get(cut_off.node, ())) == 3, "the others to be taken")

        proxy.set(Fault.RESET)
        scene.until(lambda: "3 tasks that had not begun here are left to the other" in cut_off.log(), "the news")
        other = scene.start("prefork", "-c", "2", name="w2")
        scene.until(lambda: {"b", "c", "d"} <= set(scene.ledger.keys("end")), "the others to run elsewhere")
        scene.let_go("a")
        scene.until(lambda: scene.ledger.keys("end").count("a") == 2, "both runs of the first to end")

        other.signal(signal.SIGTERM)
        other.exit_code()
        proxy.set(Fault.NONE)
        scene.send("work", "probe")
        scene.until(lambda: "probe" in scene.ledger.keys("end"), "the worker to work again")
        scene.until(scene.empty, "the queue to be empty")
    assert {"a": 2, "b": 1, "c": 1, "d": 1, "probe": 1} == Counter(scene.ledger.keys("start"))
    assert {} == scene.dead()
