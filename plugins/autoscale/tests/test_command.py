"""The command `autoscale`."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq.kernel.keys import Context
from kernelq_autoscale.command import autoscale
from kernelq_autoscale.keys import AUTOSCALER
from kernelq_testkit import ControlCommandConformance


class TestCommand(ControlCommandConformance):
    @pytest.fixture
    def command(self):
        return autoscale

    @pytest.fixture
    def arguments(self):
        return {"max": 8, "min": 2}

    @pytest.fixture
    def values(self, make_scene):
        return {AUTOSCALER: make_scene().step}


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"max": 8, "min": 2}, "autoscale now max=8 min=2"),
        ({"max": 8}, "autoscale now max=8 min=1"),
        ({"min": 3}, "autoscale now max=6 min=3"),
        ({"max": 4, "min": 0}, "autoscale now max=4 min=1"),
        ({}, "autoscale now max=6 min=1"),
    ],
)
def test_the_span_is_changed(make_scene: Any, arguments: dict[str, Any], answer: str) -> None:
    scene = make_scene()

    assert {"ok": answer} == autoscale(scene.context, **arguments)
    assert answer.endswith("max={max} min={min}".format(**scene.info))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"max": "many"}, "max is a number of slots, not 'many'; usage: autoscale [MAX] [MIN]"),
        ({"max": True}, "max is a number of slots, not True"),
        ({"min": -1}, "min is a number of slots, not -1"),
        ({"max": 2, "min": 5}, "max 2 and min 5 do not fit each other"),
        ({"min": 7}, "max 6 and min 7 do not fit each other"),
        ({"max": 0}, "max 0 and min 1 do not fit each other"),
    ],
)
def test_what_does_not_fit_is_told_and_changes_nothing(make_scene: Any, arguments: dict[str, Any], told: str) -> None:
    scene = make_scene()

    assert told in autoscale(scene.context, **arguments)["error"]
    assert (6, 1) == (scene.info["max"], scene.info["min"])


def test_the_pool_follows_at_once(make_scene: Any) -> None:
    scene = make_scene(make_scene.pool(6))
    autoscale(scene.context, max=3)

    assert 3 == scene.look()
    assert "max is 3" == scene.info["decisions"][0]["reason"]
    autoscale(scene.context, max=9, min=5)
    assert 5 == scene.look()
    assert "min is 5" == scene.info["decisions"][1]["reason"]


def test_a_worker_that_does_not_scale_says_what_to_type() -> None:
    assert "--autoscale=MAX,MIN" in autoscale(Context(), max=3)["error"]
