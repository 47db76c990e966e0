"""From deliveries to requests: strategies are compiled once, and anew when what they were compiled from changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.kernel.discovery import Discovery
from kernelq_worker.dispatch import Dispatcher
from kernelq_worker.state import State


class Worker:
    """The little that a dispatcher asks of its worker."""

    hostname = "w@test"


class Ledger:
    """Takes the ends of deliveries."""

    def __init__(self) -> None:
        self.ended: list[Settlement] = []
        self.records: list[Any] = []
        self.here: set[str] = set()

    def find(self, task_id: str) -> Any:
        return task_id if task_id in self.here else None

    def end(self, settlement: Settlement, record: Any) -> None:
        self.ended.append(settlement)
        self.records.append(record)


@pytest.fixture
def compiled() -> list[str]:
    """The names of the tasks that a strategy was compiled for; "" stands for deliveries whose task nobody has."""
    return []


@pytest.fixture
def state() -> State:
    """What the worker remembers."""
    return State()


@pytest.fixture
def dispatcher(compiled: list[str], state: State) -> Iterator[Dispatcher]:
    """A dispatcher whose strategy acknowledges everything, and notes when it is compiled."""

    def noting(task: Any, host: Any) -> Any:
        compiled.append(task.name if task is not None else "")
        return lambda delivery: Settlement(delivery, Verdict.ACK)

    discovery = Discovery({"kernelq.strategies": {"default": noting}}, installed=False)
    with KernelQ("t", discovery=discovery, result_backend=None) as app:
        app.task(name="pack")(lambda: None)
        yield Dispatcher(app, Worker(), state, Ledger())


def delivery(name: str, deliveries: int = 1) -> Delivery:
    """A delivery of the task of that name."""
    return Delivery(1, "celery", {"task": name, "id": "1"}, b"[[], {}, {}]", {}, deliveries=deliveries)


def test_a_strategy_is_compiled_once(dispatcher: Dispatcher, compiled: list[str]) -> None:
    dispatcher([delivery("pack")])
    dispatcher([delivery("pack"), delivery("pack"), delivery("gone")])

    assert ["", "pack"] == compiled


def test_it_is_compiled_anew_when_the_state_says_so(dispatcher: Dispatcher, compiled: list[str], state: State) -> None:
    """The handler for deliveries without a known name too: it may have compiled some of its own."""
    dispatcher([delivery("pack")])

    state.recompile()
    dispatcher([delivery("pack"), delivery("pack")])

    assert ["", "pack", "", "pack"] == compiled


@pytest.mark.parametrize(("deliveries", "verdict"), [(3, Verdict.ACK), (4, Verdict.BURY), (9, Verdict.BURY)])
def test_what_took_too_many_workers_down_is_buried_unseen(
    dispatcher: Dispatcher, deliveries: int, verdict: Verdict
) -> None:
    """Where a broker counts and leaves the burial to the worker; `task_max_deliveries` is 3."""
    dispatcher([delivery("pack", deliveries), delivery("pack")])

    ledger: Any = dispatcher._ledger
    assert [verdict, Verdict.ACK] == [one.verdict for one in ledger.ended]
    if verdict is Verdict.BURY:
        assert f"{deliveries - 1} workers or hosts were lost with it" in ledger.ended[0].reason


def test_a_task_that_is_here_is_not_buried_for_its_lost_connections(dispatcher: Dispatcher) -> None:
    ledger: Any = dispatcher._ledger
    ledger.here.add("1")
    dispatcher([delivery("pack", 4)])
    assert [Verdict.ACK] == [one.verdict for one in ledger.ended]
