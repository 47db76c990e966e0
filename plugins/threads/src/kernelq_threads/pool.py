"""The pool Threads: what the entry point names."""

from __future__ import annotations

from kernelq.kernel.contracts.pool import HostKind, HostRuntime, Layout, PoolCapability
from kernelq_threads.runtime import ThreadsRuntime


class Threads:
    """One forked host, or several, with a thread for each slot.

    A soft limit is raised in the task's thread as soon as that runs Python again: a task that sleeps in C is
    interrupted when it wakes. A hard limit, or `revoke --terminate`, replaces the whole host: its other tasks are
    delivered again.
    """

    name = "threads"
    kind = HostKind.FORK
    capabilities = frozenset({PoolCapability.SOFT_LIMIT, PoolCapability.HARD_LIMIT, PoolCapability.TERMINATE})

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        """Return `hosts` hosts, or one, that have `concurrency` threads together (rounded up to a multiple)."""
        hosts = max(1, min(hosts or 1, concurrency))
        return Layout(hosts, -(-concurrency // hosts))

    def runtime(self, slots: int) -> HostRuntime:
        """Return a runtime of `slots` threads."""
        return ThreadsRuntime(slots)
