"""Whatever there is, it becomes text, of bounded length, that any socket takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.texts import said, sendable, shown


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


class HostileText(str):
    def __len__(self) -> int:
        raise RuntimeError


VALUES = {
    "hostile": Hostile(), "hostile inside": [Hostile()], "hostile text": HostileText("x"), "long number": 10**5000,
    "surrogate": "\ud800", "long bytes": b"\xff" * 9999, "long text": "x" * 9999,
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_nothing_breaks_it(name):
    for text in (shown(VALUES[name]), said(VALUES[name])):
        assert len(text.encode()) <= 1100


@given(st.text(), st.integers(4, 50))
def test_the_limit_holds(text, limit):
    assert len(said(text, limit)) <= limit
    assert text == sendable(text)


def test_plain_values_look_as_they_are():
    assert ("[1, 'a']", "a", "None") == (shown([1, "a"]), said("a"), shown(None))


class Interrupted(list[int]):
    def __iter__(self):
        raise SoftTimeLimitExceeded

    def __str__(self) -> str:
        raise SoftTimeLimitExceeded


@pytest.mark.parametrize("write", [shown, said])
def test_a_limit_that_comes_meanwhile_is_not_lost(write):
    """It is raised from outside, and is the task's, not the value's."""
    with pytest.raises(SoftTimeLimitExceeded):
        write(Interrupted([1]))
