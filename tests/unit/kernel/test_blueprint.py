"""Resolving: from candidate steps to a plan, or to an error that names both sides."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from time import process_time

import pytest
from kernel_steps import NoSettings, a_key, a_step, resolve

from kernelq.kernel import errors
from kernelq.kernel.blueprint import Blueprint, Candidate
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.step import Step

POOL, LOOP, GATE = a_key("pool"), a_key("loop"), a_key("gate")


def test_a_provider_starts_before_who_requires_and_who_wants_it() -> None:
    plan = resolve(
        a_step("A", wants=[POOL]), a_step("B", requires=[LOOP], provides=[POOL]), a_step("C", provides=[LOOP])
    )
    assert [step.name for step in plan.steps] == ["C", "B", "A"]
    assert plan.waves == (("C",), ("B",), ("A",))


def test_another_sort_may_give_the_order() -> None:
    asked = []

    def sort(names, edges):
        asked.append((list(names), list(edges)))
        return ["B", "A"], [["A", "B"]], []

    candidates = [Candidate(step.name, step) for step in (a_step("A"), a_step("B"))]
    plan = Blueprint("worker", sort).resolve(candidates, NoSettings())
    assert [step.name for step in plan.steps] == ["B", "A"]
    assert plan.waves == (("A", "B"),)
    assert asked == [(["A", "B"], [])]


def test_steps_that_do_not_depend_on_each_other_share_a_wave_in_the_order_of_their_names() -> None:
    plan = resolve(a_step("Zoo"), a_step("Ant"), a_step("Bee", requires=[LOOP]), a_step("Hub", provides=[LOOP]))
    assert plan.waves == (("Ant", "Hub", "Zoo"), ("Bee",))
    assert [step.name for step in plan.steps] == ["Ant", "Hub", "Bee", "Zoo"]


def test_after_and_before_order_softly_and_pass_over_absent_names() -> None:
    plan = resolve(a_step("A", after=["B", "Nobody"]), a_step("B"), a_step("C", before=["B", "Nobody"]))
    assert [step.name for step in plan.steps] == ["C", "B", "A"]


def test_an_edge_tells_its_reason_and_where_it_was_declared() -> None:
    plan = resolve(a_step("A", requires=[POOL]), a_step("B", provides=[POOL]))
    (edge,) = plan.edges
    assert (edge.before, edge.after, edge.reason, edge.distribution) == ("B", "A", "A requires key 'pool'", "app")
    assert re.fullmatch(r".*kernel_steps\.py:\d+", edge.declared_at)


def test_a_step_knows_the_line_of_its_class_statement() -> None:
    class Here(Step):
        """A step."""

    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "class Here" in text)
    assert f"{__file__}:{line}" == Here.declared_at


def test_a_disabled_step_is_kept_with_its_reason_and_orders_nothing() -> None:
    plan = resolve(a_step("A", wants=[POOL]), a_step("B", provides=[POOL], enabled="off: --b not given"))
    assert [(step.name, step.reason) for step in plan.disabled] == [("B", "off: --b not given")]
    assert [step.name for step in plan.steps] == ["A"]


def test_resolving_changes_no_class() -> None:
    one, other = a_step("A", requires=[POOL]), a_step("B", provides=[POOL])
    before = [dict(vars(one)), dict(vars(other))]
    resolve(one, other)
    assert before == [dict(vars(one)), dict(vars(other))]


@pytest.mark.parametrize("length", [1, 2, 50])
def test_a_cycle_is_named_as_a_ring_with_its_sites_quickly(length: int) -> None:
    keys = [a_key(f"k{n}") for n in range(length)]
    ring = [a_step(f"S{n}", requires=[keys[n]], provides=[keys[(n + 1) % length]]) for n in range(length)]
    resolve(a_step("Outside"))  # networkx is imported once, before the clock (the processor's own) runs
    began = process_time()
    with pytest.raises(errors.Cycle) as caught:
        resolve(*ring)
    assert process_time() - began < 2
    assert {step.name for step in ring} == set(caught.value.ring)
    assert length == str(caught.value).count("kernel_steps.py:")
    assert " → ".join([*caught.value.ring, caught.value.ring[0]]) in str(caught.value)


def test_a_missing_key_names_who_requires_it_and_what_is_there() -> None:
    with pytest.raises(errors.MissingKey) as caught:
        resolve(a_step("A", requires=[a_key("pol")]), a_step("B", provides=[POOL]))
    assert "step A at" in str(caught.value)
    assert "requires the key 'pol'" in str(caught.value)
    assert "Did you mean 'pool'?" in str(caught.value)


def test_a_missing_key_tells_which_extra_usually_brings_it() -> None:
    from kernelq.kernel.keys import Key

    with pytest.raises(errors.MissingKey, match=r"pip install 'kernelq\[gates\]'"):
        resolve(a_step("A", requires=[Key("gate", extra="gates")]))


def test_a_given_key_needs_no_provider() -> None:
    assert [step.name for step in resolve(a_step("A", requires=[LOOP]), given=[LOOP]).steps] == ["A"]


def test_a_key_with_two_providers_names_both() -> None:
    with pytest.raises(
        errors.DoubleProvider, match=r"'pool' is provided by both A at .*kernel_steps\.py.* and B at .*kernel_steps\.py"
    ):
        resolve(a_step("A", provides=[POOL]), a_step("B", provides=[POOL]))


def test_two_steps_of_one_name_are_refused_with_both_sites() -> None:
    with pytest.raises(errors.DoubleProvider, match="two steps named 'A'"):
        resolve(a_step("A"), a_step("A"))


def test_a_disabled_provider_of_a_required_key_names_both_and_the_reason() -> None:
    with pytest.raises(errors.DisabledProvider) as caught:
        resolve(a_step("A", requires=[POOL]), a_step("B", provides=[POOL], enabled="off: --pool not given"))
    assert "step A at" in str(caught.value)
    assert "its provider B at" in str(caught.value)
    assert "off: --pool not given" in str(caught.value)


def test_only_one_step_may_run() -> None:
    def run(self: Step, ctx: object) -> None: ...

    with pytest.raises(errors.StepFault, match=r"both A at .* and B at .* define run\(\)"):
        resolve(a_step("A", run=run), a_step("B", run=run))


def test_what_is_no_step_is_refused_with_its_distribution() -> None:
    discovery = Discovery({"kernelq.steps.worker": {"Odd": object}}, installed=False)
    with pytest.raises(errors.PluginBroken, match=r"the step 'Odd' of app .* is no subclass of kernelq\.Step"):
        Blueprint("worker").discover(discovery)


def test_discovered_and_added_steps_come_together() -> None:
    discovery = Discovery({"kernelq.steps.worker": {"Named": a_step("Ignored")}}, installed=False)
    assert [one.name for one in Blueprint("worker").discover(discovery, [a_step("Added")])] == ["Named", "Added"]


def test_a_thousand_steps_resolve_in_no_time_worth_a_word() -> None:
    keys = [a_key(f"k{n}") for n in range(1001)]
    steps = [a_step(f"S{n}", wants=[keys[n]], provides=[keys[n + 1]]) for n in range(1000)]
    resolve(a_step("Outside"))
    began = process_time()
    plan = resolve(*steps)
    assert process_time() - began < 5
    assert [f"S{n}" for n in range(1000)] == [step.name for step in plan.steps]


SEEDED = """
import sys
sys.path.insert(0, {here!r})
from kernel_steps import a_key, a_step, resolve
keys = [a_key(f"k{{n}}") for n in range(12)]
steps = [
    a_step(f"S{{n}}", wants=keys[:n // 2], provides=[keys[n]], after={{"S0", "S1"}} - {{f"S{{n}}"}} if n > 1 else ())
    for n in range(12)
]
print(resolve(*set(steps), a_step("Off", enabled="off")).to_bytes().decode())
"""


@pytest.mark.slow
def test_the_same_plan_bytes_for_thirty_hash_seeds() -> None:
    """In interpreters of their own, one after the other: all at once they would starve every other test."""
    source = SEEDED.format(here=str(Path(__file__).parents[2] / "support"))
    environments = [{"PYTHONHASHSEED": str(seed)} for seed in range(30)]
    command = [sys.executable, "-c", source]
    printed = {subprocess.run(command, env=each, capture_output=True, check=True).stdout for each in environments}
    (only,) = printed
    assert b"S11" in only


def test_candidates_in_any_order_give_the_same_plan() -> None:
    steps = [a_step("A", wants=[POOL]), a_step("B", provides=[POOL]), a_step("C", after=["A"])]
    candidates = [Candidate(step.name, step) for step in steps]
    forward = Blueprint("worker").resolve(candidates, NoSettings())
    backward = Blueprint("worker").resolve(reversed(candidates), NoSettings())
    assert forward.to_bytes() == backward.to_bytes()
    assert forward.digest == backward.digest
