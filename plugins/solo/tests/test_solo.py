"""The solo pool keeps its contract."""

from __future__ import annotations

import pytest

from kernelq_solo import Solo
from kernelq_testkit.pool import PoolConformance


class TestSolo(PoolConformance):
    @pytest.fixture
    def pool(self) -> Solo:
        return Solo()

    def test_it_has_no_runtime(self, pool: Solo) -> None:
        with pytest.raises(RuntimeError, match="no host"):
            pool.runtime(1)
