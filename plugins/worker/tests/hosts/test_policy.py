"""The policy follows from the settings."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.contracts.pool import HostKind
from kernelq.kernel.errors import BadSetting, ConfigurationError
from kernelq_worker.hosts.policy import HostPolicy
from kernelq_worker.options import WorkerSettings


def policy(load: str = "", **settings: Any) -> HostPolicy:
    app = KernelQ("t")
    app.conf.section(WorkerSettings)
    app.conf.update(settings)
    return HostPolicy.of(app.conf, load)


def pool(kind: HostKind) -> Any:
    return SimpleNamespace(name="p", kind=kind)


def test_by_default_hosts_are_filled_fairly_and_watched() -> None:
    assert HostPolicy() == policy()


def test_limits_of_hosts() -> None:
    made = policy(worker_max_tasks_per_child=7, worker_max_memory_per_child=200_000, worker_stall_limit=3.0)
    assert (7, 200_000, 3.0) == (made.max_tasks, made.max_memory, made.stall_limit)


@pytest.mark.parametrize("never", [0, None])
def test_a_stall_limit_of_none_is_never(never: Any) -> None:
    assert policy(worker_stall_limit=never).stall_limit is None


@pytest.mark.parametrize(
    ("settings", "depth"),
    [
        ({"worker_prefetch_multiplier": 8}, 1),
        ({"worker_optimization": "default"}, 4),
        ({"worker_optimization": "default", "worker_prefetch_multiplier": 1}, 1),
        ({"worker_optimization": "default", "worker_prefetch_multiplier": 8}, 8),
        ({"worker_optimization": "default", "worker_prefetch_multiplier": 0}, 64),
        ({"worker_optimization": "default", "worker_prefetch_multiplier": 1_000}, 64),
    ],
)
def test_the_multiplier_is_for_filling_ahead(settings: dict[str, Any], depth: int) -> None:
    """Fair filling has its own measure."""
    assert depth == policy(**settings).depth


@pytest.mark.parametrize("method", ["fork", "auto"])
def test_a_pool_that_can_fork_does_on_linux(monkeypatch: pytest.MonkeyPatch, method: Any) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert policy(worker_start_method=method).forks(pool(HostKind.FORK))


def test_a_pool_that_can_fork_starts_new_interpreters_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not policy("shop:app", worker_start_method="spawn").forks(pool(HostKind.FORK))
    assert not policy("shop:app").forks(pool(HostKind.FRESH))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not policy("shop:app").forks(pool(HostKind.FORK))


@pytest.mark.parametrize(
    ("method", "platform", "safe"),
    [("auto", "linux", True), ("fork", "linux", True), ("spawn", "linux", False), ("fork", "darwin", False)],
)
def test_hosts_are_forked_from_a_template_where_nothing_speaks_against_a_fork(
    monkeypatch: pytest.MonkeyPatch, method: Any, platform: str, safe: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert safe is policy("shop:app", worker_start_method=method).fork_is_safe


@pytest.mark.parametrize(("kind", "method"), [(HostKind.FORK, "spawn"), (HostKind.FRESH, "fork")])
def test_new_interpreters_need_to_know_the_app(kind: HostKind, method: Any) -> None:
    """The error says who wants it and what to type."""
    with pytest.raises(ConfigurationError, match=r"the pool p .* type -A module:app"):
        policy(worker_start_method=method).forks(pool(kind))


def test_a_start_method_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadSetting, match="forkserver"):
        policy(worker_start_method="forkserver")
