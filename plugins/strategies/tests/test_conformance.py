"""The strategies against their contract."""

from __future__ import annotations

import pytest

from kernelq_strategies.default import default
from kernelq_testkit import PackageConformance, StrategyConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-strategies"


class TestDefault(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return default
