"""What may be given as the arguments of a call."""

from __future__ import annotations

import pytest

from kernelq.arguments import sequence


@pytest.mark.parametrize(
    ("given", "expected"), [([1], [1]), ((1,), (1,)), (range(2), (0, 1)), (iter("ab"), ("a", "b"))]
)
def test_whatever_can_be_gone_through_is_taken(given, expected):
    assert expected == sequence(given)


@pytest.mark.parametrize("given", ["text", b"bytes", {"a": 1}, 5, None])
def test_what_is_a_mistake_is_refused(given):
    with pytest.raises(TypeError, match="for one argument write args="):
        sequence(given)
