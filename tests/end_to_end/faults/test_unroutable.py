"""Follow-up tasks for an exchange that is not there: one task fails for it, and its worker works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brokers
import pytest

from kernelq import states
from kernelq.kernel.errors import KernelQError, Unreachable

NOWHERE = {"exchange": "kqt-no-such-exchange", "routing_key": "nowhere"}

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]


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


@pytest.mark.slow
def test_a_callback_that_nobody_takes_fails_its_task_alone(scene: Any) -> None:
    """Its task is buried with the reason, the callback has failed; callbacks that end beside it are sent, once."""
    worker = scene.start("threads", "-c", "4")
    keys = [f"k{number}" for number in range(6)]
    for key in keys:
        options = NOWHERE if key == "k3" else {}
        scene.let_go(f"after-{key}")
        link = scene.app.signature("tasks.until_let_go", args=(f"after-{key}",), immutable=True)
        scene.send("until_let_go", key, link=link.set(task_id=f"{key}-after", **options))
    for key in keys:
        scene.let_go(key)

    scene.send("work", "probe")
    scene.until(lambda: {"probe", *(f"after-{key}" for key in keys if key != "k3")} <= set(scene.ledger.keys("end")),
                "the other callbacks")  # fmt: skip
    scene.until(scene.dead, "the burial")
    scene.until(scene.empty, "the queue to be empty")
    assert "kqt-no-such-exchange" in scene.dead()["k3"]
    assert ["k3"] == list(scene.dead())
    failed = scene.app.AsyncResult("k3-after")
    scene.until(failed.ready, "the callback's result")
    assert states.FAILURE == failed.state
    assert [] == list(scene.ledger.repeats())
    assert "after-k3" not in scene.ledger.keys("start")
    assert worker.process.poll() is None


def test_a_send_that_nobody_takes_says_so(scene: Any) -> None:
    """At once, and not that the broker were away."""
    with pytest.raises(KernelQError, match="no exchange 'kqt-no-such-exchange'") as caught:
        scene.send("work", "key", **NOWHERE)
    assert not isinstance(caught.value, Unreachable)
