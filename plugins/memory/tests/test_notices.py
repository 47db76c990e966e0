"""Notices in memory against their contract."""

from __future__ import annotations

import pytest

from kernelq_memory import MemoryBackend, MemoryTransport
from kernelq_testkit import NoticesConformance


class TestNotices(NoticesConformance):
    @pytest.fixture(params=[MemoryTransport, MemoryBackend])
    def notices(self, request):
        return request.param("memory://").notices()
