"""The memory plugin against the shared contracts."""

from __future__ import annotations

import pytest

from kernelq_memory import MemoryBackend, MemoryTransport
from kernelq_testkit.lane import LaneConformance
from kernelq_testkit.machine import TransportMachine
from kernelq_testkit.result_backend import ResultBackendConformance
from kernelq_testkit.sender import SenderConformance
from kernelq_testkit.transport import TransportConformance


class OneBroker:
    @pytest.fixture
    def transport_factory(self):
        one = MemoryTransport("memory://")
        return lambda: one


class TestLane(OneBroker, LaneConformance):
    pass


class TestSender(OneBroker, SenderConformance):
    @pytest.fixture
    def unreachable_transport(self):
        return None


class TestTransport(OneBroker, TransportConformance):
    @pytest.fixture
    def backend(self):
        return MemoryBackend("memory://")


class TestBackend(ResultBackendConformance):
    @pytest.fixture
    def backend(self):
        return MemoryBackend("memory://")


class TestMachine(OneBroker, TransportMachine):
    hoards = False
