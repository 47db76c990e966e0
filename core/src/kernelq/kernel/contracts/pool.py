"""Pool: how jobs run concurrently inside one host."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from kernelq.handles import HostLink
    from kernelq.job import Job
    from kernelq.outcome import Outcome


class PoolCapability(Enum):
    """What a pool says it can do; the test kit holds it to that, both ways."""

    SOFT_LIMIT = "a running task can be sent SoftTimeLimitExceeded"
    HARD_LIMIT = "a task beyond its hard limit ends, whatever it does"
    TERMINATE = "a running task can be ended by `revoke --terminate`"
    ASYNC = "`async def` tasks run on one shared event loop"
    ISOLATION = "a task that kills its process takes no other task with it"


class HostKind(Enum):
    """How a host, the process that runs tasks, comes to be."""

    FORK = "forked from the supervisor"
    FRESH = "a new interpreter that imports the app itself, or forked from one"
    INLINE = "the supervisor itself; for debuggers"


@attrs.frozen
class Layout:
    """How many hosts, and how many jobs each runs at a time."""

    hosts: int
    slots: int


class Execute(Protocol):
    """Runs one job whole; raises only what `HostLink.on_interrupt` put there before it began, or after it ended."""

    def __call__(self, job: Job) -> Outcome:
        """Run one job, from any thread."""

    def is_async(self, job: Job) -> bool:
        """Tell a runtime with an event loop whether `execute_async` is for this job; others belong in a thread."""

    async def execute_async(self, job: Job) -> Outcome:
        """Run one job on the running event loop. A task that is cancelled, by itself or by another, has failed."""

    def interrupted(self, job: Job, error: BaseException) -> Outcome:
        """Return the outcome of a job that failed with `error` before its task began, or after it had ended."""


class HostRuntime(Protocol):
    """What runs inside a host: the hundred lines that make one kind of pool."""

    def serve(self, link: HostLink, execute: Execute) -> None:
        """Run jobs from `link` with `execute`, at most `slots` at a time, until it says the end and all have ended."""


class Pool(Protocol):
    """A kind of pool: the object behind an entry point of the group ``kernelq.pools``.

    How hosts are made and what runs in them; all else is the supervisor's. It may have `usual_concurrency`, for ``-c``.
    """

    name: str
    kind: HostKind
    capabilities: frozenset[PoolCapability]

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        """Return hosts and slots for ``--concurrency`` and ``--hosts`` (None when not given)."""

    def runtime(self, slots: int) -> HostRuntime:
        """Return what runs inside a host. For `HostKind.INLINE` it is never called."""


@runtime_checkable
class Prepares(Protocol):
    """What a pool of the kind FRESH may have beside: it changes Python before anything of the app is imported."""

    def prepare(self) -> None:
        """Called first in a new interpreter, before `Pool.runtime`; hosts may be forked from that."""
