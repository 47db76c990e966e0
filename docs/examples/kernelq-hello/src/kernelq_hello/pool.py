"""A pool: forked hosts that run one job after the other.

Processes, limits, restarts and redelivery are the host supervisor's. A pool says how many hosts there are, how they
come to be, and what runs inside one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelq.kernel.contracts.pool import HostKind, Layout, PoolCapability

if TYPE_CHECKING:
    from kernelq.handles import HostLink
    from kernelq.job import Job
    from kernelq.outcome import Outcome


class OneByOneRuntime:
    """What runs inside a host: one job at a time, in the order in which they came."""

    def serve(self, link: HostLink, execute: Callable[[Job], Outcome]) -> None:
        """Run jobs until the end is asked for."""
        link.on_interrupt(lambda job_id, error: False)  # a running job is not interrupted here: no SOFT_LIMIT
        while (jobs := link.receive(limit=1)) is not None:
            for job in jobs:
                link.started(job)
                link.finished(job, execute(job))


class OneByOne:
    """The pool `onebyone`: as many hosts as the concurrency, each with one slot."""

    name = "onebyone"
    kind = HostKind.FORK
    capabilities = frozenset({PoolCapability.HARD_LIMIT, PoolCapability.TERMINATE, PoolCapability.ISOLATION})

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        """Return one slot per host; ``--hosts`` changes nothing here."""
        return Layout(hosts=concurrency, slots=1)

    def runtime(self, slots: int) -> OneByOneRuntime:
        """Return what runs inside a host."""
        return OneByOneRuntime()
