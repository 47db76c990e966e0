"""How arguments are shown: beside Celery's own, on many values."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from celery.utils.saferepr import saferepr as celerys

from kernelq.saferepr import saferepr, safestr


class Values:
    """Makes values of every kind, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def any(self, depth: int = 0) -> Any:
        kinds: list[Callable[[int], Any]] = [self.number, self.text, self.bytes, self.odd]
        if depth < 6:
            kinds += [self.several] * 3
        return self.random.choice(kinds)(depth)

    def number(self, depth: int) -> Any:
        return self.random.choice([0, -1, 10**30, 1.5, True, None, Decimal("1.50")])

    def text(self, depth: int) -> str:
        length = self.random.choice([0, 1, 5, 40, 300, 1100])
        return "".join(self.random.choice(string.printable) for _ in range(length))

    def bytes(self, depth: int) -> bytes:
        return self.random.randbytes(self.random.choice([0, 3, 30, 1200]))

    def odd(self, depth: int) -> Any:
        return self.random.choice([datetime(2026, 1, 2), {1}, frozenset({2}), set(), range(3), ...])

    def several(self, depth: int) -> Any:
        items = [self.any(depth + 1) for _ in range(self.random.choice([0, 1, 2, 3, 8]))]
        keys = ["a", "it's", 1, 2.5, (1, 2), None, b"k", "long " * 50]
        kinds: list[Callable[[list[Any]], Any]] = [tuple, list, lambda all: dict(zip(keys, all, strict=False))]
        return self.random.choice(kinds)(items)


@pytest.mark.slow
@pytest.mark.parametrize("length", [1024, 100, 50, 20])
def test_it_is_celerys_to_the_character(length):
    """Five hundred values, cut at several lengths."""
    values = Values(seed=length)
    for _ in range(500):
        value = values.any()
        assert celerys(value, length) == saferepr(value, length)


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_its_depth_is_celerys(levels):
    values = Values(seed=levels)
    for _ in range(500):
        value = values.any()
        assert celerys(value, 1024, levels) == saferepr(value, 1024, levels)


def test_a_value_that_contains_itself_has_an_end():
    ring: list[Any] = [1]
    ring.append(ring)

    assert f"[1, <Recursion on list with id={id(ring)}>]" == saferepr(ring)


def test_a_broken_repr_stops_nobody():
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

        __str__ = __repr__

    assert saferepr((Broken(),)).startswith("(<Unrepresentable")
    assert "<Broken whose __str__ raises RuntimeError>" == safestr(Broken())
