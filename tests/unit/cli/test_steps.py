"""Why a step starts before another, why it is off, and every view of the plan."""

from __future__ import annotations

import json

import pytest


def test_steps_why_names_key_place_and_distribution(app, run):
    result = run("steps", "why", "Hub", "Pool")
    assert 0 == result.exit_code
    assert "Hub before Pool\n  because Pool requires key 'loop'\n  declared at " in result.stdout
    edge = json.loads(run("steps", "why", "Hub", "Pool", "-o", "jsonl").stdout)
    assert ("loop", "app") == (edge["key"], edge["distribution"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Pool", "Hub"], "the other way round: Hub starts before Pool"),
        (["Hub", "Timer"], "nothing orders Hub and Timer"),
        (["Beat", "Pool"], "Beat is off (off: -B not given)"),
        (["Hub", "Tasks"], "Hub is a step of worker, Tasks of consumer"),
    ],
)
def test_steps_why_of_a_free_order_is_negative(app, run, words, says):
    result = run("steps", "why", *words)
    assert 1 == result.exit_code
    assert says in result.stderr


def test_steps_why_not(app, run):
    result = run("steps", "why-not", "Beat", "-o", "json")
    assert (0, "off: -B not given") == (result.exit_code, json.loads(result.stdout)["why"])
    assert 1 == run("steps", "why-not", "Hub").exit_code


def test_steps_why_not_of_an_unknown_step_suggests(app, run):
    result = run("steps", "why-not", "Bet")
    assert 3 == result.exit_code
    assert "Did you mean 'Beat'?" in result.stderr


@pytest.mark.parametrize("view", ["lanes", "layers", "tree", "table", "json", "jsonl", "plain", "dot", "mermaid"])
def test_steps_graph_has_every_view_of_one_plan_or_both(app, run, view):
    both, one = run("steps", "graph", "-o", view), run("steps", "graph", "consumer", "-o", view)
    assert (0, 0) == (both.exit_code, one.exit_code)
    assert "Pool" in both.stdout
    assert "Tasks" in both.stdout
    assert "Hub" not in one.stdout.replace("(Hub)", "")
