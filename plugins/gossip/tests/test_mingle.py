"""The step Mingle, and what it takes over."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.control import ControlClient
from kernelq.kernel.errors import BrokerUnreachable
from kernelq.keys import APP, CONNECTION, LOOP, STATE, TRANSPORT, WORKER
from kernelq_gossip import mingle
from kernelq_gossip.mingle import Mingle, merge_revoked
from kernelq_testkit import eventually
from kernelq_testkit.step import StepConformance


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return Mingle

    @pytest.fixture
    def settings(self, scene):
        return scene.app.conf

    @pytest.fixture
    def values(self, scene):
        scene.connection.default_channel  # noqa: B018 - connected, as the step Connection leaves it
        return {key: scene.context[key] for key in (APP, WORKER, TRANSPORT, CONNECTION, STATE, LOOP)}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the others answer; the arguments of the question."""
    told = SimpleNamespace(given={}, asked=None)

    def broadcast(self: Any, command: str, arguments: Any, **options: Any) -> list[dict[str, Any]]:
        told.asked = (command, arguments)
        return [{node: answer} for node, answer in told.given.items()]

    monkeypatch.setattr(ControlClient, "broadcast", broadcast)
    return told


def test_revokes_and_the_clock_of_all_are_taken_over(scene: Any, answers: Any) -> None:
    """A list of ids, as Celery 5.7 answers; a dict of them, as those before."""
    answers.given = {
        "c@h": {"revoked": ["a", "b"], "clock": 70},
        "old@h": {"revoked": {"b": 1.0, "c": [2.0, "c"]}, "clock": 300},
        "w1@test": {"revoked": ["ours"], "clock": 9000},
    }
    scene.context[STATE].revoked.update({"b": 50.0})
    step = Mingle()

    step.start(scene.context)

    assert {"a": 1.0, "b": 50.0, "c": 1.0} == scene.context[STATE].revoked, "what was known keeps its time"
    assert 301 == scene.app.clock.value
    assert {"nodes": ["c@h", "old@h"]} == step.info(scene.context)


@pytest.mark.parametrize("answer", [None, {"error": "KeyError"}, "hello", 5, []])
def test_what_is_no_answer_is_passed_over(scene: Any, answers: Any, answer: Any) -> None:
    answers.given = {"c@h": answer}
    step = Mingle()

    step.start(scene.context)

    assert {"nodes": []} == step.info(scene.context)


@pytest.mark.parametrize("clock", [None, "5", -3, 10**30, 1.5])
def test_a_clock_that_is_none_does_no_harm(scene: Any, answers: Any, clock: Any) -> None:
    answers.given = {"c@h": {"revoked": [], "clock": clock}}

    Mingle().start(scene.context)

    assert scene.app.clock.value < 10


@pytest.mark.parametrize("revoked", [None, "abc", 5, [5, None, {}]])
def test_ids_that_are_none_are_passed_over(scene: Any, revoked: Any) -> None:
    assert 0 == merge_revoked(scene.context[STATE], revoked)


def test_the_newest_of_our_own_are_told(scene: Any, answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mingle, "MOST", 2)
    scene.context[STATE].revoke(["a", "b", "c"])

    Mingle().start(scene.context)

    assert ("hello", {"from_node": "w1@test", "revoked": ["b", "c"]}) == answers.asked


def test_a_worker_that_connects_again_does_not_wait_for_the_answers(
    scene: Any, monkeypatch: pytest.MonkeyPatch, counting_loop: Any
) -> None:
    answered, asked = threading.Event(), threading.Event()

    def broadcast(self: Any, command: str, arguments: Any, **options: Any) -> list[dict[str, Any]]:
        asked.set()
        assert answered.wait(30)
        return [{"c@h": {"revoked": ["a"], "clock": 70}}]

    monkeypatch.setattr(ControlClient, "broadcast", broadcast)
    scene.context[WORKER].ready = True
    step = Mingle()
    step.start(scene.context)
    assert asked.wait(30)
    assert {} == scene.context[STATE].revoked

    answered.set()

    assert counting_loop.run_until(lambda: ["a"] == list(scene.context[STATE].revoked))
    assert {"nodes": ["c@h"]} == step.info(scene.context)


def test_a_broker_that_is_lost_again_meanwhile_is_logged(
    scene: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broadcast(self: Any, command: str, arguments: Any, **options: Any) -> None:
        raise BrokerUnreachable("gone")

    monkeypatch.setattr(ControlClient, "broadcast", broadcast)
    scene.context[WORKER].ready = True

    Mingle().start(scene.context)

    eventually(lambda: "mingle: gone" in caplog.text)


def test_a_broker_without_fanout_is_left_alone(scene: Any) -> None:
    scene.context[TRANSPORT] = SimpleNamespace(capabilities=frozenset())

    Mingle().start(scene.context)


def test_it_can_be_switched_off() -> None:
    app = KernelQ("t", worker_without_mingle=True)

    assert "off: --without-mingle" == Mingle.enabled(app.conf)
