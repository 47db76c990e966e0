"""Running a conformance class against an implementation that is broken on purpose."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from textwrap import dedent

import pytest

PREAMBLE = """
import threading, time, os
import pytest
from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq.kernel.discovery import Discovery
from kernelq_testkit import *

MemoryTransport = Discovery().load("kernelq.transports", "memory")
MemoryBackend = Discovery().load("kernelq.backends", "memory")
Lane = type(MemoryTransport("memory://").lane())
Sender = type(MemoryTransport("memory://").sender())

class OneBroker:
    quiet = 0.2
    patience = 1.0
    lane = Lane
    sender = Sender
    declared = MemoryTransport.capabilities

    @pytest.fixture
    def transport_factory(self):
        kit = self
        class Broken(MemoryTransport):
            capabilities = kit.declared
            def lane(self): return kit.lane(self._broker)
            def sender(self): return kit.sender(self._broker)
        one = Broken("memory://")
        return lambda: one

    @pytest.fixture
    def unreachable_transport(self):
        return None

    @pytest.fixture
    def backend(self):
        return MemoryBackend("memory://")
"""


@pytest.fixture
def failures(pytester: pytest.Pytester) -> Callable[[str, str], list[str]]:
    """Return what runs the tests named `name` of a class against a broken implementation: the names that failed."""

    def run(name: str, source: str) -> list[str]:
        pytester.makepyfile(test_broken=PREAMBLE + dedent(source))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fakes leak on purpose
            ended = outcomes(pytester, name)
            gc.collect()  # what they leaked, while nobody minds
        assert ended, f"no test is named {name}"
        assert ("setup", "failed") not in {(when, how) for _, when, how in ended}, "the fixtures of the fake fail"
        return sorted({each for each, _, how in ended if how == "failed"})

    return run


def outcomes(pytester: pytest.Pytester, name: str) -> list[tuple[str, str, str]]:
    """Run the tests of that name here; return of each its name, its phase and its outcome, and keep nothing else."""
    others = (
        "cacheprovider",
        "asyncio",
        "unraisableexception",
        "hypothesispytest",
    )  # hypothesis loads slowly
    plain = [word for plugin in others for word in ("-p", f"no:{plugin}")]
    recorded = pytester.inline_run("-k", name, *plain)
    return [
        (report.nodeid.split("::")[-1].partition("[")[0], report.when, report.outcome)
        for reports in recorded.listoutcomes()
        for report in reports
    ]
