"""The pool `prefork` against its contract."""

from __future__ import annotations

import pytest

from kernelq_prefork import Prefork
from kernelq_testkit import PackageConformance, PoolConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-prefork"


class TestPrefork(PoolConformance):
    @pytest.fixture
    def pool(self):
        return Prefork()
