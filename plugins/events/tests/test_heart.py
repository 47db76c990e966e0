"""The heart beats while the worker consumes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernelq import signals
from kernelq.keys import APP, EVENTS, LOOP, REQUESTS, STATE, WORKER
from kernelq_events.heart import Heart
from kernelq_testkit.step import StepConformance


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return Heart

    @pytest.fixture
    def settings(self, dispatching):
        return dispatching[APP].conf

    @pytest.fixture
    def values(self, dispatching, counting_loop):
        return {key: dispatching[key] for key in (APP, WORKER, STATE, REQUESTS, EVENTS)} | {LOOP: counting_loop}


@pytest.fixture
def heart(dispatching, counting_loop) -> Iterator[Heart]:
    dispatching[LOOP] = counting_loop
    heart = Heart()
    heart.start(dispatching)
    yield heart
    heart.stop(dispatching)


def types(waiting) -> list[str]:
    return [event["type"] for _, events in waiting() for event in events]


def test_it_tells_that_the_worker_comes_lives_and_leaves(heart, dispatching, waiting):
    heart._send(dispatching, "worker-heartbeat")
    dispatching[WORKER].stopping = "warm"
    heart.stop(dispatching)
    heart.stop(dispatching)

    assert ["worker-online", "worker-heartbeat", "worker-offline"] == types(waiting)
    assert {"interval": 2.0, "beats": 3} == heart.info(dispatching)


def test_a_lost_connection_is_no_leaving(heart, dispatching, waiting):
    heart.stop(dispatching)

    assert ["worker-online"] == types(waiting)


def test_each_is_told_to_the_hook(dispatching, counting_loop):
    heard = []

    def hear(sender, **_):
        heard.append(sender)

    signals.heartbeat_sent.connect(hear)
    try:
        dispatching[LOOP] = counting_loop
        heart = Heart()
        heart.start(dispatching)
        heart.stop(dispatching)
    finally:
        signals.heartbeat_sent.disconnect(hear)

    assert [dispatching[WORKER]] == heard


def test_it_can_be_switched_off(make_scene):
    assert "off: --without-heartbeat given" == Heart.enabled(make_scene(worker_without_heartbeat=True).app.conf)
