"""The pool Prefork: what the entry point names."""

from __future__ import annotations

from kernelq.kernel.contracts.pool import HostKind, HostRuntime, Layout
from kernelq.kernel.contracts.pool import PoolCapability as Can
from kernelq_prefork.runtime import PreforkRuntime


class Prefork:
    """As many forked hosts as slots; each runs one task at a time, in its main thread.

    A task that crashes, leaks or is killed takes no other with it. A soft limit interrupts also a task that waits in a
    system call. Tasks may start processes of their own.
    """

    name = "prefork"
    kind = HostKind.FORK
    capabilities = frozenset({Can.SOFT_LIMIT, Can.HARD_LIMIT, Can.TERMINATE, Can.ISOLATION})

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        """Return `concurrency` hosts with one slot each. `hosts` changes nothing: a host with two slots is not this."""
        return Layout(concurrency, 1)

    def runtime(self, slots: int) -> HostRuntime:
        """Return what runs one job after the other."""
        return PreforkRuntime()
