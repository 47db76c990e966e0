"""The pool `threads` against its contract."""

from __future__ import annotations

import pytest

from kernelq_testkit import PackageConformance, PoolConformance
from kernelq_threads import Threads


class TestPackage(PackageConformance):
    distribution = "kernelq-threads"


class TestThreads(PoolConformance):
    @pytest.fixture
    def pool(self):
        return Threads()
