"""The choice of a pool."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.contracts.pool import HostKind, Layout, PoolCapability
from kernelq.kernel.discovery import Discovery
from kernelq_worker import pools


def pool(name: str) -> Any:
    return lambda: SimpleNamespace(name=name, kind=HostKind.FORK, capabilities=frozenset(PoolCapability))


def app(*installed: str, **settings: Any) -> KernelQ:
    found = {"kernelq.pools": {name: pool(name) for name in installed}}
    return KernelQ("t", discovery=Discovery(found, installed=False), **settings)


@pytest.mark.parametrize(
    ("installed", "chosen"), [(["prefork", "threads"], "prefork"), (["solo", "threads"], "threads")]
)
def test_auto_takes_prefork_where_it_is_installed(installed: list[str], chosen: str) -> None:
    assert chosen == pools.choose(app(*installed)).name


@pytest.mark.parametrize(("given", "usual", "slots"), [(None, None, None), (None, 100, 100), (3, 100, 3)])
def test_without_a_number_there_are_as_many_slots_as_are_usual_for_the_pool(given: Any, usual: Any, slots: Any) -> None:
    one: Any = SimpleNamespace(layout=lambda concurrency, hosts: Layout(hosts or 1, concurrency))
    if usual is not None:
        one.usual_concurrency = usual
    conf = app(worker_concurrency=given).conf

    assert Layout(2, slots or len(os.sched_getaffinity(0))) == pools.layout(one, conf, 2)


def test_limits_that_a_pool_cannot_hold_are_named() -> None:
    conf = app(task_time_limit=1.0, task_soft_time_limit=2.0, worker_max_tasks_per_child=3).conf
    none: Any = SimpleNamespace(name="none", kind=HostKind.INLINE, capabilities=frozenset())
    all_of_it: Any = pool("p")()

    assert [
        "the pool none cannot hold task_soft_time_limit; it has no effect",
        "the pool none cannot hold task_time_limit; it has no effect",
        "the pool none cannot hold worker_max_tasks_per_child; it has no effect",
    ] == pools.weaknesses(none, conf)
    assert [] == pools.weaknesses(all_of_it, conf)


def test_a_pool_that_interrupts_without_a_host_holds_the_hard_limit_of_python_code() -> None:
    """It says so, since a task in C code goes on."""
    conf = app(task_time_limit=1.0, worker_max_memory_per_child=100_000).conf
    solo: Any = SimpleNamespace(name="solo", kind=HostKind.INLINE, capabilities=frozenset({PoolCapability.SOFT_LIMIT}))

    assert [
        "the pool solo holds task_time_limit only where a task runs Python: it cannot end C code",
        "the pool solo cannot hold worker_max_memory_per_child; it has no effect",
    ] == pools.weaknesses(solo, conf)
