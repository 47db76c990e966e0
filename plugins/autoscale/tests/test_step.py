"""The step looks, decides, tells."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.keys import APP, LOOP, POOL, REQUESTS, WORKER
from kernelq_autoscale.step import Autoscaler
from kernelq_testkit.step import StepConformance


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return Autoscaler

    @pytest.fixture
    def settings(self, values):
        return values[APP].conf

    @pytest.fixture
    def values(self, make_scene, counting_loop):
        scene = make_scene()
        wanted = {key: scene.values[key] for key in (APP, WORKER, POOL, REQUESTS)}
        return {**wanted, LOOP: counting_loop}


def test_without_a_span_it_is_off_and_says_why() -> None:
    with KernelQ("t") as app:
        assert "off: --autoscale not given" == Autoscaler.enabled(app.conf)


def test_a_decision_is_logged_and_shown(make_scene: Any, caplog: pytest.LogCaptureFixture) -> None:
    scene = make_scene()
    scene.busy, scene.here, scene.depth = 1, 1, 139

    with caplog.at_level(logging.INFO, "kernelq.autoscale"):
        assert 6 == scene.look()

    assert "autoscale: 1 -> 6: 1 busy, 140 wait" in caplog.text
    info = scene.info
    assert {"max": 6, "min": 1, "current": 6, "qty": 141} == {
        name: info[name] for name in ("max", "min", "current", "qty")
    }
    (decision,) = info["decisions"]
    assert (1, 6, "1 busy, 140 wait") == (decision["from"], decision["to"], decision["reason"])
    json.dumps(info)


def test_what_is_too_much_to_count_is_told_so(make_scene: Any) -> None:
    scene = make_scene()
    scene.depth = 10**9
    scene.look()

    assert "0 busy, 1000 or more wait" == scene.info["decisions"][0]["reason"]


def test_it_shrinks_and_tells_for_how_long_nothing_was_needed(make_scene: Any) -> None:
    scene = make_scene(make_scene.pool(6), keepalive=0.0)
    scene.look()

    assert 1 == scene.look()
    assert "no more were needed for 0 s" == scene.info["decisions"][-1]["reason"]


def test_where_the_broker_cannot_tell_busy_slots_count(make_scene: Any) -> None:
    scene = make_scene()
    scene.depth, scene.busy = None, 1

    assert [1, 2] == [scene.look(), scene.look()]
    assert "all 1 busy" == scene.info["decisions"][0]["reason"]


def test_a_broker_that_is_lost_is_no_load(make_scene: Any) -> None:
    """It could tell before, so that it cannot now means nothing."""
    scene = make_scene()
    scene.look()
    scene.depth, scene.busy = None, 1

    assert [1] * 5 == [scene.look() for _ in range(5)]


def test_what_a_command_did_widens_the_span_and_stays(make_scene: Any) -> None:
    scene = make_scene()
    scene.pool.grow(8)

    assert 9 == scene.look()
    assert (9, 1) == (scene.info["max"], scene.info["min"])
    assert "told by a command" == scene.info["decisions"][0]["reason"]


def test_a_pool_that_cannot_grow_is_left_alone(make_scene: Any, caplog: pytest.LogCaptureFixture) -> None:
    scene = make_scene(make_scene.pool(1, fixed=True))
    scene.depth = 5
    scene.look()
    scene.look()

    assert 1 == caplog.text.count("the pool solo stays at 1; it is no longer tried")


def test_a_worker_that_stops_is_left_alone(make_scene: Any) -> None:
    scene = make_scene()
    scene.depth, scene.worker.stopping = 5, "warm"

    assert 1 == scene.look()


def test_only_the_last_decisions_are_kept(make_scene: Any) -> None:
    scene = make_scene(span="99")
    for depth in range(2, 40):
        scene.depth = depth
        scene.look()

    decisions = scene.info["decisions"]
    assert (10, 39) == (len(decisions), decisions[-1]["to"])
