"""What the pool says of itself."""

from __future__ import annotations

import pytest

from kernelq.kernel.contracts.pool import Layout, PoolCapability
from kernelq_asyncio import Asyncio


@pytest.mark.parametrize(
    ("concurrency", "hosts", "expected"),
    [(1000, None, Layout(1, 1000)), (1000, 2, Layout(2, 500)), (3, 2, Layout(2, 2)), (2, 9, Layout(2, 1))],
)
def test_layout(concurrency, hosts, expected):
    assert expected == Asyncio().layout(concurrency, hosts)


def test_it_awaits():
    assert PoolCapability.ASYNC in Asyncio().capabilities
    assert 100 == Asyncio().usual_concurrency
