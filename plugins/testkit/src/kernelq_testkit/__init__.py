"""The test kit of KernelQ: conformance classes and fixtures for plugin authors."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelq_testkit.control_command import ControlCommandConformance
    from kernelq_testkit.faultproxy import Fault, FaultProxy, Way
    from kernelq_testkit.gate import GateConformance
    from kernelq_testkit.lane import LaneConformance
    from kernelq_testkit.ledger import Entry, Ledger, Tally
    from kernelq_testkit.leftovers import CountingLoop, Leftovers
    from kernelq_testkit.loop import HubLoop, SteppedLoop
    from kernelq_testkit.machine import TransportMachine
    from kernelq_testkit.notices import NoticesConformance
    from kernelq_testkit.package import PackageConformance
    from kernelq_testkit.pool import PoolConformance
    from kernelq_testkit.recorder import SignalRecorder
    from kernelq_testkit.result_backend import ResultBackendConformance
    from kernelq_testkit.running import RunningWorker
    from kernelq_testkit.sender import SenderConformance
    from kernelq_testkit.standard import standard_discovery
    from kernelq_testkit.step import StepConformance
    from kernelq_testkit.strategy import StrategyConformance
    from kernelq_testkit.stress import StartStopStress
    from kernelq_testkit.transport import TransportConformance
    from kernelq_testkit.waiting import eventually

__all__ = [
    "ControlCommandConformance",
    "CountingLoop",
    "Entry",
    "Fault",
    "FaultProxy",
    "GateConformance",
    "HubLoop",
    "LaneConformance",
    "Ledger",
    "Leftovers",
    "NoticesConformance",
    "PackageConformance",
    "PoolConformance",
    "ResultBackendConformance",
    "RunningWorker",
    "SenderConformance",
    "SignalRecorder",
    "StartStopStress",
    "StepConformance",
    "SteppedLoop",
    "StrategyConformance",
    "Tally",
    "TransportConformance",
    "TransportMachine",
    "Way",
    "eventually",
    "standard_discovery",
]

_WHERE = {
    "ControlCommandConformance": "control_command",
    "CountingLoop": "leftovers",
    "Entry": "ledger",
    "Fault": "faultproxy",
    "FaultProxy": "faultproxy",
    "GateConformance": "gate",
    "HubLoop": "loop",
    "LaneConformance": "lane",
    "Ledger": "ledger",
    "Leftovers": "leftovers",
    "NoticesConformance": "notices",
    "PackageConformance": "package",
    "PoolConformance": "pool",
    "ResultBackendConformance": "result_backend",
    "RunningWorker": "running",
    "SenderConformance": "sender",
    "SignalRecorder": "recorder",
    "StartStopStress": "stress",
    "StepConformance": "step",
    "SteppedLoop": "loop",
    "StrategyConformance": "strategy",
    "Tally": "ledger",
    "TransportConformance": "transport",
    "TransportMachine": "machine",
    "Way": "faultproxy",
    "eventually": "waiting",
    "standard_discovery": "standard",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: pytest loads this package in every run, also where nobody needs kombu."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
