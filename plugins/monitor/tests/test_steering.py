"""Orders, and what came of them."""

from __future__ import annotations

import pytest

from kernelq_monitor.steering import told


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (None, "no worker answered"),
        ([], "no worker answered"),
        ([{"b@h": {"ok": "flagged"}}, {"a@h": {"error": "no\nsuch"}}], "a@h: no such; b@h: flagged"),
        ([{"a@h": None}], "a@h: None"),
    ],
)
def test_replies_are_told_in_one_line(replies, expected):
    assert expected == told(replies)
