"""A plan, shown by a process of its own."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_a_plan_is_the_same_bytes_for_every_hash_seed(kernelq):
    for view in ("lanes", "json", "dot", "tree"):
        runs = {kernelq("-A", "shop", "steps", "graph", "-o", view, PYTHONHASHSEED=str(n)).stdout for n in range(4)}
        assert 1 == len(runs)
        assert "Step39" in runs.pop()


def test_a_terminal_without_unicode_gets_ascii(kernelq):
    done = kernelq("-A", "shop", "steps", "graph", PYTHONIOENCODING="ascii", COLUMNS="60")
    assert (0, True) == (done.returncode, done.stdout.isascii())
    assert 60 >= max(len(line) for line in done.stdout.splitlines())
