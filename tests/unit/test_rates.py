"""Rates."""

from __future__ import annotations

import pytest

from kernelq.kernel.errors import BadSetting
from kernelq.rates import parse


@pytest.mark.parametrize(
    ("given", "expected"), [("10/s", 10), ("30/m", 0.5), ("36/h", 0.01), ("7", 7), (2.5, 2.5), (None, 0), ("-1/s", 0)]
)
def test_a_rate_is_a_number_a_second(given, expected):
    assert expected == parse(given)


@pytest.mark.parametrize("given", ["fast", "10/d", "/s"])
def test_what_is_no_rate_says_what_to_write(given):
    with pytest.raises(BadSetting, match="write a number and s, m or h"):
        parse(given)
