"""How many slots there should be, from what was seen."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelq_autoscale.policy import Policy

KEEPALIVE = 30.0

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a machine that does other things an example may take any time."""


def run(policy: Policy, looks: Iterable[tuple[int, int | None]], start: int, every: float = 1.0) -> list[int]:
    """Return the slots after each look (demand, waiting or None); of the demand as much runs as there are slots."""
    concurrency, after = start, []
    for number, (demand, waiting) in enumerate(looks):
        busy = min(demand, concurrency)
        left = None if waiting is None else demand - busy
        concurrency = policy(busy, left, concurrency, number * every)
        after.append(concurrency)
    return after


def demands(*figures: int) -> list[tuple[int, int | None]]:
    return [(figure, 0) for figure in figures]


def blind(*figures: int) -> list[tuple[int, int | None]]:
    return [(figure, None) for figure in figures]


def test_it_grows_at_once_to_what_is_needed_and_no_further() -> None:
    assert [4] == run(Policy(10, 1, KEEPALIVE), demands(4), start=1)


def test_it_grows_to_the_most_at_most() -> None:
    assert [6] == run(Policy(6, 1, KEEPALIVE), demands(140), start=2)


def test_while_new_slots_are_not_ready_it_does_not_grow_again() -> None:
    policy = Policy(100, 1, KEEPALIVE)

    assert 10 == policy(2, 8, 2, 0.0)
    assert 10 == policy(2, 8, 10, 0.5)


def test_it_shrinks_when_the_time_is_over_to_what_was_needed_at_most() -> None:
    looks = demands(8, *[3] * 10, 5, *[2] * 40)

    after = run(Policy(8, 1, KEEPALIVE), looks, start=1)

    assert 31 == after.index(5)  # 8 were needed until the look at 1 s, 5 until that at 12 s
    assert 42 == after.index(2)
    assert {8, 5, 2} == set(after)


def test_it_shrinks_to_the_least_at_least() -> None:
    assert 2 == run(Policy(8, 2, KEEPALIVE), demands(8, *[0] * 60), start=8)[-1]


def test_it_shrinks_at_once_where_the_span_has_become_smaller() -> None:
    policy = Policy(8, 1, KEEPALIVE)
    policy(8, 5, 8, 0.0)
    policy.most = 3

    assert 3 == policy(8, 5, 8, 1.0)


def test_it_grows_at_once_where_the_span_has_moved_up() -> None:
    policy = Policy(8, 1, KEEPALIVE)
    policy(0, 0, 1, 0.0)
    policy.least = 4

    assert 4 == policy(0, 0, 1, 1.0)


def test_what_someone_asked_for_is_kept_for_the_time() -> None:
    policy = Policy(8, 1, KEEPALIVE)
    policy(0, 0, 1, 0.0)
    policy.hold(5, 100.0)

    assert 5 == policy(0, 0, 5, 100.5)
    assert 5 == policy(0, 0, 5, 129.9)
    assert 1 == policy(0, 0, 5, 131.0)


def test_looks_that_were_missed_are_no_time_without_need() -> None:
    """A machine that slept for an hour has not seen an hour of idleness."""
    policy = Policy(8, 1, KEEPALIVE)
    policy(8, 0, 8, 0.0)

    assert 8 == policy(0, 0, 8, 3600.0)
    assert 1 == policy(0, 0, 8, 3600.0 + KEEPALIVE)


def test_where_nobody_can_tell_it_grows_when_all_slots_stay_busy() -> None:
    assert [1, 2, 2, 3, 3, 4, 4, 6, 6, 9] == run(Policy(20, 1, KEEPALIVE), blind(*[50] * 10), start=1)


def test_where_nobody_can_tell_a_moment_is_not_enough() -> None:
    assert {4} == set(run(Policy(20, 1, KEEPALIVE), blind(*[4, 3] * 10), start=4))


def test_where_nobody_can_tell_a_steady_load_comes_to_rest() -> None:
    """With one slot more than is busy: without it, it would have to grow to see that nothing more comes."""
    after = run(Policy(20, 1, KEEPALIVE), blind(*[4] * 200), start=4)

    assert 6 == max(after)
    assert {5} == set(after[60:])


@pytest.mark.parametrize("waiting", [0, None])
@unhurried
@given(st.data())
def test_it_stays_within_the_span(waiting: int | None, data: st.DataObject) -> None:
    least = data.draw(st.integers(1, 20))
    policy = Policy(data.draw(st.integers(least, 40)), least, data.draw(st.floats(0, 50)))
    figures = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=80))

    after = run(policy, [(figure, waiting) for figure in figures], start=data.draw(st.integers(1, 60)))

    assert all(policy.least <= one <= policy.most for one in after)


@unhurried
@given(st.lists(st.integers(0, 60), min_size=1, max_size=150), st.integers(1, 40))
def test_it_never_grows_beyond_what_is_needed(figures: list[int], most: int) -> None:
    after = run(Policy(most, 1, 10.0), demands(*figures), start=1)

    for before, now, figure in zip([1, *after], after, figures, strict=False):
        assert now <= max(before, figure)


@unhurried
@given(st.lists(st.integers(0, 60), min_size=1, max_size=150), st.integers(1, 40), st.integers(2, 40))
def test_it_never_shrinks_below_what_was_needed_in_the_time(figures: list[int], most: int, keepalive: int) -> None:
    after = run(Policy(most, 1, float(keepalive)), demands(*figures), start=most)

    for look, now in enumerate(after):
        recent = figures[max(look - keepalive + 1, 0) : look + 1]
        assert now >= min(max(recent), most)


@pytest.mark.parametrize("waiting", [0, None])
@unhurried
@given(figures=st.lists(st.integers(0, 60), min_size=1, max_size=200), keepalive=st.integers(1, 30))
def test_between_a_growth_and_the_next_shrinking_there_is_the_time(
    waiting: int | None, figures: list[int], keepalive: int
) -> None:
    after = run(Policy(40, 1, float(keepalive)), [(figure, waiting) for figure in figures], start=1)

    grown = -1000
    for look, (before, now) in enumerate(zip([1, *after], after, strict=False)):
        if now > before:
            grown = look
        if now < before:
            assert look - grown >= keepalive


@pytest.mark.parametrize("waiting", [0, None])
@unhurried
@given(wave=st.lists(st.integers(0, 40), min_size=1, max_size=25))
def test_a_load_that_swings_makes_it_grow_and_then_stay(waiting: int | None, wave: list[int]) -> None:
    """Any wave that is shorter than the time: no slot is taken away and added again, for ever."""
    looks = [(wave[number % len(wave)], waiting) for number in range(500)]
    after = run(Policy(50, 1, KEEPALIVE), looks, start=1)

    assert 1 == len(set(after[250:]))
