"""When the consumer connects again, and to which broker."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from kernelq import KernelQ
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import BrokerLost
from kernelq.kernel.keys import Context
from kernelq.keys import APP, LOOP, TRANSPORT, WORKER
from kernelq_worker.loop import WorkerLoop
from kernelq_worker.steps.consumer import LONGEST_DELAY, Consumer, delay_after


class Broker:
    """A transport that is never connected to."""

    capabilities = frozenset()

    def __init__(self, url, settings):
        self.url = url

    def safe_url(self):
        return self.url


@pytest.mark.parametrize("brokers", [1, 2, 5])
def test_each_broker_is_tried_within_two_seconds_of_its_answer(brokers):
    """The pauses between two tries of the same broker, jitter included, grow no longer."""
    rounds = [
        sum(delay_after(failures + n, brokers) for n in range(brokers)) for failures in range(0, 20 * brokers, brokers)
    ]

    assert 0.1 <= rounds[0] < 0.14
    assert LONGEST_DELAY <= rounds[-1] < 2.0


class Scene:
    """A consumer that loses its broker as often as it is told."""

    def __init__(self, ready=True, **settings):
        found = Discovery({"kernelq.transports": {"one": Broker}}, installed=False)
        self.app = KernelQ("app", discovery=found, result_backend=None, **settings)
        from kernelq_worker.options import WorkerSettings

        self.app.conf.section(WorkerSettings)
        self.loop = WorkerLoop()
        self.context = Context()
        self.context[APP], self.context[LOOP] = self.app, self.loop
        self.context[TRANSPORT] = self.app.transport
        self.context[WORKER] = SimpleNamespace(stopping=None, ready=ready)
        self.consumer = Consumer()

    def lose(self):
        self.consumer._wait(self.context, BrokerLost("gone"))
        return self.app.transport.url


@pytest.fixture
def scene():
    made = []

    def make(*args, **settings):
        made.append(Scene(*args, **settings))
        return made[-1]

    yield make
    for one in made:
        one.loop.close()


def test_it_goes_round_the_brokers(scene):
    one = scene(broker="one://a;one://b;one://c")

    assert ["one://b", "one://c", "one://a", "one://b"] == [one.lose() for _ in range(4)]


def test_one_broker_is_tried_again(scene):
    one = scene(broker="one://a")

    assert ["one://a"] * 2 == [one.lose() for _ in range(2)]


@pytest.mark.parametrize(
    ("ready", "name"), [(True, "broker_connection_retry"), (False, "broker_connection_retry_on_startup")]
)
def test_without_trying_again_every_broker_is_tried_once(scene, ready, name):
    one = scene(ready, broker="one://a;one://b")
    one.app.conf.update({name: False})

    assert "one://b" == one.lose()
    with pytest.raises(BrokerLost):
        one.lose()


def test_the_number_of_tries_counts_all_brokers_as_one(scene):
    one = scene(broker="one://a;one://b", broker_connection_max_retries=1)

    assert ["one://b", "one://a"] == [one.lose(), one.lose()]
    with pytest.raises(BrokerLost):
        one.lose()


def test_a_cold_shutdown_ends_the_tries(scene):
    one = scene(broker="one://a;one://b")
    one.context[WORKER].stopping = "cold"
    began = time.monotonic()

    with pytest.raises(BrokerLost):
        one.lose()
    assert time.monotonic() - began < 5
