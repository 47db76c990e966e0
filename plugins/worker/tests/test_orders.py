"""Orders of steps that are kept between starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.blueprint import Blueprint, Candidate
from kernelq.kernel.keys import Key
from kernelq.kernel.plan import Plan
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq_worker import aside as forking
from kernelq_worker import orders
from kernelq_worker import worker as module
from kernelq_worker.worker import Worker

LEDGER: Key[str] = Key("ledger", "what happened")


class Ledger(Step):
    provides = (LEDGER,)


class Clerk(Step):
    requires = (LEDGER,)


class Boss(Step):
    pass


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where this test's orders are."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "kernelq" / "orders"


def plan(*steps: type[Step], **options: Any) -> Plan:
    candidates = [Candidate(step.__name__, step) for step in steps]
    return Blueprint("office", **options).resolve(candidates, Settings())


def test_the_plan_is_the_same_with_the_order_that_is_kept() -> None:
    """To the byte; and what has no edges at all is an order too."""
    for steps in ((Clerk, Ledger, Boss), (Boss,), ()):
        found = plan(*steps)
        orders.keep(found)
        assert found.to_bytes() == plan(*steps, sort=orders.recall).to_bytes()


def test_other_steps_or_other_edges_are_unknown() -> None:
    class Clerk(Step):
        wants = (LEDGER,)
        before = ("Ledger",)

    orders.keep(plan(Ledger, Boss))

    with pytest.raises(orders.Unknown):
        plan(Ledger, Boss, Clerk, sort=orders.recall)
    with pytest.raises(orders.Unknown):
        plan(Ledger, sort=orders.recall)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("\x00\xff", id="no-json"),
        pytest.param("7", id="no-list"),
        pytest.param('[["Clerk", "Ledger"], [["Ledger"], ["Clerk"]]]', id="against-an-edge"),
        pytest.param('[["Ledger", "Clerk"], [["Ledger", "Clerk"]]]', id="a-wave-against-an-edge"),
        pytest.param('[["Ledger"], [["Ledger"], ["Clerk"]]]', id="one-is-missing"),
        pytest.param('[["Ledger", "Ledger", "Clerk"], [["Ledger"], ["Clerk"]]]', id="one-is-there-twice"),
        pytest.param('[["Ledger", "Clerk"], [["Ledger"]]]', id="one-is-in-no-wave"),
        pytest.param('[["Ledger", 1], [["Ledger"], [1]]]', id="a-number"),
        pytest.param('[["Ledger", {}], [["Ledger"], ["Clerk"]]]', id="an-object"),
        pytest.param("[[[]", id="cut-off"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_file_that_holds_no_order_of_the_steps_is_passed_over(written: Path, content: str) -> None:
    orders.keep(plan(Clerk, Ledger))
    [file] = written.iterdir()
    file.write_text(content)

    with pytest.raises(orders.Unknown):
        plan(Clerk, Ledger, sort=orders.recall)


def test_only_the_user_can_write_there(written: Path) -> None:
    orders.keep(plan(Clerk, Ledger))

    [file] = written.iterdir()
    assert 0o700 == written.stat().st_mode & 0o777
    assert [["Ledger", "Clerk"], [["Ledger"], ["Clerk"]]] == json.loads(file.read_text())


def test_nothing_is_kept_where_no_byte_code_is_written(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    orders.keep(plan(Clerk, Ledger))

    assert not written.exists()


def test_a_worker_does_without_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    orders.keep(plan(Clerk, Ledger))


def test_the_second_start_finds_the_orders_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plans are the same, and nothing is forked for them."""
    asked: list[Callable[[], Any]] = []

    def aside(work: Callable[[], Any]) -> Any:
        asked.append(work)
        return forking.aside(work)

    monkeypatch.setattr(module, "aside", aside)
    plans = []
    for _ in range(2):
        worker = Worker(KernelQ("t", broker="memory://"), pool="solo", concurrency=1)
        worker.start()
        worker.stop()
        plans.append(worker.plans)

    assert 1 == len(asked)
    assert plans[0] == plans[1] == worker.resolve()
