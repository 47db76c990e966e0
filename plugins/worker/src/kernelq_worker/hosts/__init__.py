"""The host supervisor: `supervise` makes the pool's handle, whatever kind of host the pool has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq.kernel.contracts.pool import HostKind

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.handles import PoolHandle
    from kernelq.kernel.contracts.pool import Layout, Pool
    from kernelq_worker.hosts.desk import Ledger
    from kernelq_worker.hosts.policy import HostPolicy
    from kernelq_worker.hosts.spawn import Spawner
    from kernelq_worker.loop import WorkerLoop

__all__ = ["supervise"]


def supervise(
    app: KernelQ, pool: Pool, layout: Layout, loop: WorkerLoop, ledger: Ledger, hostname: str, policy: HostPolicy
) -> PoolHandle:
    """Start the hosts of `pool`, wait until they are ready, and return its handle.

    Raises `kernelq_worker.hosts.supervisor.HostStartError`, with what the host said, and
    `kernelq.kernel.errors.ConfigurationError` where hosts would have to import an app that has no name.
    """
    if pool.kind is HostKind.INLINE:
        from kernelq_worker.hosts.inline import InlineSupervisor

        return InlineSupervisor(pool.name, loop, ledger, app.executor(hostname), app.hooks)
    from kernelq_worker.hosts.supervisor import HostSupervisor

    supervisor = HostSupervisor(pool, layout, loop, ledger, _spawner(app, pool, hostname, policy), policy)
    supervisor.start()
    return supervisor


def _spawner(app: KernelQ, pool: Pool, hostname: str, policy: HostPolicy) -> Spawner:
    from kernelq_worker.hosts.spawn import Fork, Fresh

    if policy.forks(pool):
        return Fork(pool, app.executor(hostname), app=app, hostname=hostname)
    made = type(pool)
    factory = f"{made.__module__}:{made.__qualname__}"
    fresh = Fresh(factory, policy.load, hostname, app=app, logs=policy.logs, name=pool.name)
    if policy.fork_is_safe:
        from kernelq_worker.hosts.template import Template

        return Template(fresh)
    return fresh
