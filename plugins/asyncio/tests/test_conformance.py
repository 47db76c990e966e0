"""The pool `asyncio` against its contract."""

from __future__ import annotations

import pytest

from kernelq_asyncio import Asyncio
from kernelq_testkit import PackageConformance, PoolConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-asyncio"


class TestAsyncio(PoolConformance):
    @pytest.fixture
    def pool(self):
        return Asyncio()
