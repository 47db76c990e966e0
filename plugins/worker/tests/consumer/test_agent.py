"""A service of the app's own, within the consumer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BrokerLost, ConfigurationError
from kernelq.kernel.keys import Context
from kernelq.keys import APP, CONNECTION, LOOP
from kernelq_testkit.running import RunningWorker
from kernelq_testkit.step import StepConformance
from kernelq_worker.consumer.agent import Agent
from kernelq_worker.options import WorkerSettings


class Lost(Exception):
    """What the connection raises."""


class Diary:
    """A service that notes what is done with it."""

    lines: ClassVar[list[str]] = []

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def start(self) -> None:
        assert self.connection.connected
        self.lines.append("start")

    def stop(self) -> None:
        assert self.connection.connected
        self.lines.append("stop")


class Unlucky(Diary):
    """A service whose connection is lost."""

    def start(self) -> None:
        raise Lost("gone")

    def stop(self) -> None:
        raise Lost("gone")


@pytest.fixture(autouse=True)
def lines() -> Any:
    Diary.lines.clear()
    return Diary.lines


def context(service: Any, loop: Any = None) -> Context:
    app = KernelQ("t", broker="memory://", worker_agent=service)
    app.conf.section(WorkerSettings)
    connection = SimpleNamespace(connected=True, connection_errors=(Lost,), channel_errors=())
    return Context({APP: app, CONNECTION: connection, LOOP: loop})


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return Agent

    @pytest.fixture
    def values(self, counting_loop):
        ctx = context(Diary, counting_loop)
        return {key: ctx[key] for key in (APP, CONNECTION, LOOP)}

    @pytest.fixture
    def settings(self, values):
        return values[APP].conf


def test_a_worker_starts_it_when_connected_and_stops_it_before_the_connection(lines: list[str]) -> None:
    app = KernelQ("t", broker="memory://", backend=None, worker_agent=Diary)

    with RunningWorker(app) as running:
        assert ["start"] == lines
        assert {"service": f"{__name__}.Diary"} == running.worker.info()["Agent"]

    assert ["start", "stop"] == lines


@pytest.mark.parametrize("path", ["collections:Counter", "collections.Counter"])
def test_a_class_that_is_no_service_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="no class with the methods start and stop"):
        Agent().start(context(path))


@pytest.mark.parametrize("path", ["threading:Timre", "threading.Timre", "nowhere.to.be:Found"])
def test_a_class_that_is_not_there_is_told(path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"worker_agent: there is no '{path}'"):
        Agent().start(context(path))


def test_a_lost_connection_has_the_consumer_connect_anew() -> None:
    ctx, step = context(Unlucky), Agent()

    with pytest.raises(BrokerLost, match="Unlucky: gone"):
        step.start(ctx)

    step.stop(ctx)


def test_without_one_it_is_off_and_says_why() -> None:
    assert "off: worker_agent is not set" == Agent.enabled(context(None)[APP].conf)
