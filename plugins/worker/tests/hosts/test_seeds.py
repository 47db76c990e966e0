"""Forked hosts draw different random numbers."""

from __future__ import annotations

import random
import sys
import types
import uuid
from collections.abc import Callable

import pytest

from kernelq.job import Job
from kernelq.outcome import Outcome

from .conftest import Rig, job


def drawn(r: Rig, hosts: int) -> dict[int, str]:
    """Return what each host drew, by its process id."""
    r.pool.submit([job(number) for number in range(hosts)])
    r.until(lambda: r.book.seen == hosts)
    return {r.book.pids[number]: outcome.detail for number, outcome in r.book.outcomes.items()}


def slow(draw: Callable[[], object]) -> Callable[[Job], Outcome]:
    """Draw, and keep the slot until the other hosts have their jobs."""
    import time

    def execute(one: Job) -> Outcome:
        value = draw()
        time.sleep(0.2)
        return Outcome("SUCCESS", detail=repr(value))

    return execute


@pytest.mark.parametrize(
    "draw",
    [lambda: random.random(), lambda: random.sample(range(10**9), 3), uuid.uuid4],
    ids=["random", "sample", "uuid"],
)
def test_four_hosts_draw_four_numbers(rig: Callable[..., Rig], draw: Callable[[], object]) -> None:
    """Also where the supervisor had drawn before, or had a seed."""
    random.seed(7)
    found = drawn(rig(4, 1, execute=slow(draw)), 4)
    assert 4 == len(found)
    assert 4 == len(set(found.values()))


def test_numpys_global_generator_is_seeded_where_it_is_imported(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not do so by itself; where numpy is not imported it stays so."""
    try:
        import numpy.random as generator
    except ImportError:  # a generator that is seeded as numpy's is, and like numpy's keeps its state over a fork
        generator = types.ModuleType("numpy.random")
        state = random.Random(7)
        generator.seed = state.seed
        generator.random = state.random
        monkeypatch.setitem(sys.modules, "numpy.random", generator)
    generator.seed(7)
    found = drawn(rig(4, 1, execute=slow(lambda: float(generator.random()))), 4)
    assert 4 == len(set(found.values()))
