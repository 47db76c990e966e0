"""Which pool: the plugin that the settings name, and whether it fits the broker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kernelq.kernel.contracts.pool import HostKind, Layout, Pool, PoolCapability
from kernelq.kernel.contracts.transport import TransportCapability
from kernelq.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.conf import Conf
    from kernelq.kernel.contracts.transport import Transport

GROUP = "kernelq.pools"
AUTO = ("prefork", "threads")
"""What `auto` takes, the first that is installed."""


def choose(app: KernelQ) -> Pool:
    """Return the pool that ``worker_pool`` names. Raises `PluginNotFound`, which tells what to install."""
    wanted = app.conf.worker_pool
    name = wanted
    if wanted == "auto":
        installed = app.discovery.names(GROUP)
        name = next((one for one in AUTO if one in installed), AUTO[-1])
    pool: Pool = app.discovery.load(GROUP, name, wanted_by="setting worker_pool (-P)")()
    return pool


def layout(pool: Pool, conf: Conf, hosts: int | None) -> Layout:
    """Return hosts and slots for the settings, by default as many slots as are usual for the pool, or cores."""
    wanted = conf.worker_concurrency
    if not isinstance(wanted, int):
        wanted = getattr(pool, "usual_concurrency", None) or len(os.sched_getaffinity(0))
    return pool.layout(wanted, hosts)


LIMITS = {"task_time_limit": PoolCapability.HARD_LIMIT, "task_soft_time_limit": PoolCapability.SOFT_LIMIT}
OF_HOSTS = ("worker_max_memory_per_child", "worker_max_tasks_per_child")


def weaknesses(pool: Pool, conf: Conf) -> list[str]:
    """Return a sentence for each limit that is set and that this pool cannot hold, or not in every case."""
    inline = pool.kind is HostKind.INLINE
    names = [name for name, ability in LIMITS.items() if ability not in pool.capabilities]
    said = []
    for name in sorted([*names, *OF_HOSTS] if inline else names):
        if getattr(conf, name) is None:
            continue
        if inline and name == "task_time_limit" and PoolCapability.SOFT_LIMIT in pool.capabilities:
            said.append(f"the pool {pool.name} holds {name} only where a task runs Python: it cannot end C code")
        else:
            said.append(f"the pool {pool.name} cannot hold {name}; it has no effect")
    return said


def check(pool: Pool, transport: Transport) -> None:
    """Raise `ConfigurationError` where tasks would run in processes that cannot share the broker."""
    if pool.kind is not HostKind.INLINE and TransportCapability.MULTIPROCESS not in transport.capabilities:
        raise ConfigurationError(
            f"the broker {transport.safe_url()} lives in one process, and the pool {pool.name} runs tasks in others; "
            f"type -P solo, or use a broker such as sqlite:///kernelq.db"
        )
