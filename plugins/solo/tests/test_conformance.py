"""The pool `solo` against its contract."""

from __future__ import annotations

import pytest

from kernelq_solo import Solo
from kernelq_testkit import PackageConformance, PoolConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-solo"


class TestSolo(PoolConformance):
    @pytest.fixture
    def pool(self):
        return Solo()
