"""The step Connection: its heartbeat is kept up from the loop, and a silent broker is found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelq.kernel.errors import BrokerLost
from kernelq.kernel.keys import Context
from kernelq.keys import LOOP, TRANSPORT
from kernelq_worker.consumer.connection import RATE, Connection


class Kombu:
    """A kombu connection, as far as the step sees it."""

    connection_errors = (OSError,)
    channel_errors = ()

    def __init__(self, heartbeat: float, asynchronous: bool = True) -> None:
        self.transport = SimpleNamespace(implements=SimpleNamespace(asynchronous=asynchronous))
        self.heartbeat = heartbeat
        self.done: list[str] = []
        self.failure: Exception | None = None

    def get_heartbeat_interval(self) -> float:
        return self.heartbeat

    def heartbeat_check(self, rate: int) -> None:
        self.done.append(f"beat {rate}")
        if self.failure is not None:
            raise self.failure

    def __getattr__(self, name: str) -> Any:
        if name == "broken":
            raise AttributeError(name)
        return lambda *_, **__: self.done.append(name)


class Loop:
    """A loop whose timers are fired by hand."""

    def __init__(self) -> None:
        self.hub = SimpleNamespace(on_tick=set())
        self.timers: list[tuple[float, Any]] = []
        self.cancelled = 0

    def call_repeatedly(self, seconds: float, callback: Any) -> Any:
        self.timers.append((seconds, callback))
        return SimpleNamespace(cancel=self._cancel)

    def _cancel(self) -> None:
        self.cancelled += 1


def started(kombu: Kombu) -> tuple[Connection, Loop, Context]:
    ctx, loop, step = Context(), Loop(), Connection()
    ctx[TRANSPORT], ctx[LOOP] = SimpleNamespace(connection=lambda: kombu), loop  # type: ignore[assignment]  # enough
    step.start(ctx)
    return step, loop, ctx


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_heart_beats_twice_in_its_interval(asynchronous: bool) -> None:
    step, loop, ctx = started(kombu := Kombu(10.0, asynchronous))
    seconds, beat = loop.timers[-1]

    beat()

    assert (10.0 / RATE, f"beat {RATE}") == (seconds, kombu.done[-1])
    step.stop(ctx)
    assert len(loop.timers) == loop.cancelled
    assert "release" == kombu.done[-1]


def test_a_broker_that_is_silent_is_lost_without_a_handshake() -> None:
    _, loop, _ = started(kombu := Kombu(10.0))
    kombu.failure = OSError("too many heartbeats missed")

    with pytest.raises(BrokerLost, match="too many heartbeats missed"):
        loop.timers[-1][1]()

    assert "collect" == kombu.done[-1]


def test_a_connection_without_a_heartbeat_has_no_timer() -> None:
    _, loop, _ = started(Kombu(0.0))

    assert [] == loop.timers
