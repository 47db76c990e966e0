"""The pool Solo: what the entry point names."""

from __future__ import annotations

from kernelq.kernel.contracts.pool import HostKind, HostRuntime, Layout, PoolCapability


class Solo:
    """Runs one task at a time in the supervisor itself: for debuggers, and for brokers that live in one process.

    While a task runs the supervisor does nothing else, so nothing can be ended by command, and a task that kills its
    process kills the worker. Limits are raised in the task by a signal, which C code does not notice before it
    returns: the soft limit is a promise as far as that goes, the hard one is none.
    """

    name = "solo"
    kind = HostKind.INLINE
    capabilities: frozenset[PoolCapability] = frozenset({PoolCapability.SOFT_LIMIT})

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        """Return one host with one slot, whatever is asked for."""
        return Layout(1, 1)

    def runtime(self, slots: int) -> HostRuntime:
        """Raise RuntimeError: the supervisor is the runtime."""
        raise RuntimeError("the solo pool has no host: the supervisor runs its tasks")
