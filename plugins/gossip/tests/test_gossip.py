"""The step Gossip."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.keys import APP, CONNECTION, EVENTS, LOOP, TRANSPORT, WORKER
from kernelq_gossip.gossip import Gossip
from kernelq_gossip.keys import GOSSIP
from kernelq_testkit.step import StepConformance


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return Gossip

    @pytest.fixture
    def settings(self, scene):
        return scene.app.conf

    @pytest.fixture
    def values(self, scene):
        scene.connection.default_channel  # noqa: B018 - connected, as the step Connection leaves it
        return {key: scene.context[key] for key in (APP, WORKER, TRANSPORT, CONNECTION, LOOP, EVENTS)}


def test_a_broker_without_fanout_is_left_alone(scene: Any) -> None:
    scene.context[TRANSPORT] = SimpleNamespace(capabilities=frozenset())
    step = Gossip()
    step.start(scene.context)

    scene.say("worker-heartbeat")

    assert [] == scene.context[GOSSIP].members()
    step.stop(scene.context)


def test_it_can_be_switched_off() -> None:
    app = KernelQ("t", worker_without_gossip=True)

    assert "off: --without-gossip" == Gossip.enabled(app.conf)
