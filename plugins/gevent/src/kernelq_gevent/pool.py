"""The pool Gevent: what the entry point names."""

from __future__ import annotations

from kernelq.kernel.contracts.pool import HostKind, HostRuntime, Layout, PoolCapability


class Gevent:
    """One new interpreter, or several, patched by gevent before anything is imported; a greenlet for each task.

    A limit is raised in the task's greenlet as soon as another greenlet can run: a task that computes without a pause,
    or waits in C, is interrupted after that. `revoke --terminate` replaces the whole host: its other tasks are
    delivered again.
    """

    name = "gevent"
    kind = HostKind.FRESH
    capabilities = frozenset({PoolCapability.SOFT_LIMIT, PoolCapability.HARD_LIMIT, PoolCapability.TERMINATE})

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        """Return `hosts` hosts, or one, that have `concurrency` greenlets together (rounded up to a multiple)."""
        hosts = max(1, min(hosts or 1, concurrency))
        return Layout(hosts, -(-concurrency // hosts))

    def prepare(self) -> None:
        """Let sockets, locks, sleeps and threads of this process be gevent's."""
        from gevent import monkey

        monkey.patch_all()

    def runtime(self, slots: int) -> HostRuntime:
        """Return a runtime of `slots` greenlets. gevent is imported here: the supervisor is to stay without it.

        The host may have been forked from a template in which the app's modules had the hub started: it gets one of
        its own.
        """
        import gevent

        from kernelq_gevent.runtime import GeventRuntime

        gevent.reinit()
        return GeventRuntime(slots)
