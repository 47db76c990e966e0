"""Every command that only asks, against its contract, in a running worker."""

from __future__ import annotations

import gc

import pytest

from kernelq.kernel.discovery import Discovery
from kernelq_testkit import ControlCommandConformance, PackageConformance

ASKING = [
    "active",
    "active_queues",
    "clock",
    "conf",
    "memdump",
    "memsample",
    "ping",
    "registered",
    "report",
    "reserved",
    "revoked",
    "scheduled",
    "stats",
]


class TestPackage(PackageConformance):
    distribution = "kernelq-control"


class TestCommands(ControlCommandConformance):
    @pytest.fixture(autouse=True)
    def others(self):
        """Keep what other tests have left out of the garbage collection of memdump: no worker has so much."""
        gc.freeze()
        yield
        gc.unfreeze()

    @pytest.fixture(params=ASKING)
    def command(self, request):
        return Discovery().load("kernelq.commands", request.param)

    @pytest.fixture
    def values(self, kernelq_worker):
        context = kernelq_worker.worker.context
        keys = context.keys()
        return {key: context[key] for key in keys}
