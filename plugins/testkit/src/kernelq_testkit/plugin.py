"""The pytest plugin: fixtures for tests of apps and of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq_testkit.faultproxy import FaultProxy
    from kernelq_testkit.recorder import SignalRecorder
    from kernelq_testkit.running import RunningWorker


@pytest.fixture
def kernelq_plugins() -> dict[str, dict[str, object]]:
    """Plugins that the test's app has beside the standard ones: ``{"pools": {"mine": MyPool}}``. Override it."""
    return {}


@pytest.fixture
def kernelq_app(kernelq_plugins: dict[str, dict[str, object]]) -> Iterator[KernelQ]:
    """An app on the broker and result store in memory, with the standard plugins only, whatever is installed."""
    from kernelq import KernelQ
    from kernelq_testkit.standard import standard_discovery

    app = KernelQ("kit", broker="memory://", backend="memory://", discovery=standard_discovery(**kernelq_plugins))
    yield app
    app.close()


@pytest.fixture
def kernelq_start(kernelq_app: KernelQ) -> Iterator[Callable[..., RunningWorker]]:
    """Start workers of `kernelq_app` in this process, ``kernelq_start(queues=["mail"])``; the test's end stops them."""
    from kernelq_testkit.running import RunningWorker

    running: list[RunningWorker] = []

    def start(**options: Any) -> RunningWorker:
        running.append(RunningWorker(kernelq_app, **options))
        return running[-1].start()

    yield start
    for each in reversed(running):
        each.stop()


@pytest.fixture
def kernelq_worker(kernelq_start: Callable[..., RunningWorker]) -> RunningWorker:
    """A running worker of `kernelq_app`, with the pool `solo`, in a thread of this process.

    Declare the app's tasks in a fixture that comes before it.
    """
    return kernelq_start()


@pytest.fixture
def signals(kernelq_app: KernelQ) -> SignalRecorder:
    """What the hooks of `kernelq_app` told, and waiting for it: ``signals.wait("task_success", times=3)``."""
    from kernelq_testkit.recorder import SignalRecorder

    recorder = SignalRecorder()
    kernelq_app.register(recorder.plugin())
    return recorder


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[str, int], FaultProxy]]:
    """Start proxies to servers, ``fault_proxy("127.0.0.1", 6379)``, whose faults the test sets; its end closes them."""
    from kernelq_testkit.faultproxy import FaultProxy

    started: list[FaultProxy] = []

    def start(host: str, port: int) -> FaultProxy:
        started.append(FaultProxy(host, port))
        return started[-1]

    yield start
    for each in started:
        each.close()
