"""Keys are names with a type; a context gives what stands behind them, to whom has declared it."""

from __future__ import annotations

import pytest

from kernelq.kernel.errors import KeyNotProvided, UndeclaredKey
from kernelq.kernel.keys import Context, Key, StepContext

POOL: Key[str] = Key("pool", "where jobs are run")
LOOP: Key[str] = Key("loop")


def test_keys_of_one_name_are_one_key_and_know_where_they_are_declared():
    """Two distributions may declare the same key."""
    again: Key[str] = Key("pool")

    assert (POOL, hash(POOL)) == (again, hash(again))
    assert __file__ in POOL.declared_at


def test_a_child_reads_its_parent_and_writes_its_own():
    """So a restart of the inner blueprint leaves the outer one untouched."""
    outer = Context({POOL: "threads"})
    inner = outer.child()
    inner[LOOP] = "hub"

    assert ("threads", "hub") == (inner[POOL], inner[LOOP])
    assert LOOP not in outer
    assert {LOOP, POOL} == inner.keys()


def test_a_key_that_nobody_set_names_the_nearest():
    """The error lists what there is."""
    with pytest.raises(KeyNotProvided, match=r"'pool'.*provided so far: pol.*Did you mean 'pol'"):
        Context({Key("pol"): 1})[POOL]
    assert Context().get(POOL) is None


def test_a_step_may_read_and_write_only_what_it_declared():
    """Otherwise the kernel could not have ordered it."""
    view = StepContext("mine", Context({POOL: "threads"}), readable=frozenset(), writable=frozenset({LOOP}))
    view[LOOP] = "hub"

    with pytest.raises(UndeclaredKey, match="step mine reads the key 'pool'"):
        view[POOL]
    with pytest.raises(UndeclaredKey, match="step mine writes the key 'pool'"):
        view[POOL] = "solo"
