"""The pool Asyncio: what the entry point names."""

from __future__ import annotations

from kernelq.kernel.contracts.pool import HostKind, HostRuntime, Layout, PoolCapability
from kernelq_asyncio.runtime import AsyncioRuntime


class Asyncio:
    """One forked host, or several, with an event loop that runs ``async def`` tasks side by side, one for each slot.

    A limit is raised in the task where it awaits. Tasks that are plain functions run in threads of the host. A task
    that blocks the loop holds up the others in its host, and cannot be interrupted: beyond its hard limit the host is
    replaced, and its other tasks are delivered again. So they are with `revoke --terminate`.
    """

    name = "asyncio"
    kind = HostKind.FORK
    capabilities = frozenset(
        {PoolCapability.SOFT_LIMIT, PoolCapability.HARD_LIMIT, PoolCapability.TERMINATE, PoolCapability.ASYNC}
    )
    usual_concurrency = 100
    """Slots where nobody says how many: coroutines wait most of the time, so the number of cores says nothing."""

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        """Return `hosts` hosts, or one, that have `concurrency` slots together (rounded up to a multiple)."""
        hosts = max(1, min(hosts or 1, concurrency))
        return Layout(hosts, -(-concurrency // hosts))

    def runtime(self, slots: int) -> HostRuntime:
        """Return a runtime of `slots` coroutines."""
        return AsyncioRuntime(slots)
