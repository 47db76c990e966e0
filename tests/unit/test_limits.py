"""Limits: what is within them, and what is told of the rest."""

from __future__ import annotations

import json

import pytest

from kernelq.limits import MAX_DEPTH, MAX_HEADER_BYTES, headers_problem, is_deep, is_id


def nested(levels):
    value = "bottom"
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize(("levels", "deep"), [(0, False), (MAX_DEPTH, False), (MAX_DEPTH + 1, True), (50_000, True)])
def test_depth(levels, deep):
    """However deep, asking is no danger."""
    value = nested(levels)
    assert deep is is_deep(value)
    while isinstance(value, dict | list):  # let it go level by level: a destructor may recurse
        value = value["a"] if isinstance(value, dict) else value[0]


def test_wide_is_not_deep():
    """Many brackets side by side are no matter."""
    headers = {str(number): [{}] for number in range(500)}
    assert headers_problem(json.dumps(headers).encode(), headers) is None


def test_headers_that_are_too_many_bytes():
    """What is beside them in the same document does not count."""
    raw = b" " * (MAX_HEADER_BYTES + 5)
    assert "65541 bytes" in headers_problem(raw, {})
    assert headers_problem(raw, {}, beside=5) is None


def test_headers_that_are_too_deep():
    """It is said how deep they may be."""
    headers = {"x": nested(MAX_DEPTH)}
    assert "deeper than 64 levels" in headers_problem(json.dumps(headers).encode(), headers)


@pytest.mark.parametrize("value", [None, 5, [], "", "x" * 256, "a\nb", "\0", "\x1b[2J", "\u202e"])
def test_no_id(value):
    """It would be part of keys, of log lines, and of names on a terminal."""
    assert not is_id(value)


def test_an_id():
    """Any text, not only a UUID."""
    assert is_id("0198c1f0-7c3b-7000-8000-000000000000")
    assert is_id("ünïcode 17/" + "x" * 240)
