"""The plans come from the worker itself, so that what is shown is what would be started."""

from __future__ import annotations

import pytest
from kernel_steps import a_key, a_step, resolve

from kernelq.cli.blueprints import find, find_off, names, planned, why
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import PluginNotFound


def test_both_plans_or_one(app):
    assert ["worker", "consumer"] == [plan.name for plan in planned(app)]
    assert ["consumer"] == [plan.name for plan in planned(app, "consumer")]


def test_steps_are_found_whether_on_or_off(app):
    worker = planned(app)[0]
    assert ["Hub", "Pool", "Timer", "Beat"] == names(worker)
    assert find(worker, "Pool").wave == 1
    assert find(worker, "Beat") is None
    assert "off: -B not given" == find_off(worker, "Beat").reason


def test_without_a_worker_it_says_so(app):
    app.discovery = Discovery({}, installed=False)
    with pytest.raises(PluginNotFound, match=r"kernelq\.workers"):
        planned(app)


def test_why_tells_the_chain_of_edges_between_two_steps():
    pool, loop = a_key("pool"), a_key("loop")
    plan = resolve(
        a_step("A", provides=[loop]), a_step("B", requires=[loop], provides=[pool]), a_step("C", wants=[pool])
    )

    assert ["B requires key 'loop'", "C wants key 'pool'"] == [edge.reason for edge in why(plan, "A", "C")]
    assert [] == why(plan, "C", "A")
    assert [] == why(plan, "A", "Nobody")


def test_why_takes_the_shortest_chain():
    pool, loop = a_key("pool"), a_key("loop")
    plan = resolve(
        a_step("A", provides=[loop]), a_step("B", requires=[loop], provides=[pool]), a_step("C", wants=[pool, loop])
    )

    assert ["C wants key 'loop'"] == [edge.reason for edge in why(plan, "A", "C")]
