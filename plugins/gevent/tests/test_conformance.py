"""The pool `gevent` against its contract."""

from __future__ import annotations

import pytest

from kernelq_gevent import Gevent
from kernelq_testkit import PackageConformance, PoolConformance


class TestPackage(PackageConformance):
    distribution = "kernelq-gevent"


class TestGevent(PoolConformance):
    @pytest.fixture
    def pool(self):
        return Gevent()
