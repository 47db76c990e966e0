"""The policy of a pool's hosts: how they start, how full they are kept, and when one is replaced."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import attrs

from kernelq.kernel.contracts.pool import HostKind
from kernelq.kernel.errors import ConfigurationError
from kernelq_worker.hosts.pace import AHEAD
from kernelq_worker.options import WorkerSettings

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.kernel.contracts.pool import Pool
    from kernelq_worker.hosts.carried import Logs


@attrs.frozen(kw_only=True)
class HostPolicy:
    """What the settings ask of every host of a pool."""

    max_tasks: int | None = None
    """Tasks that a host runs, exactly, before it is replaced."""
    max_memory: int | None = None
    """KiB of resident memory above which a host is replaced."""
    stall_limit: float | None = 20.0
    """Seconds without a sign of life after which a host is replaced; None: never."""
    depth: int = 1
    """Jobs per slot that a host may have whatever their run time; more while they are measured to be short."""
    start_method: Literal["auto", "fork", "spawn"] = "auto"
    load: str = ""
    """What `kernelq.loading.load_app` takes to import the app in a new interpreter; "": it cannot be."""
    logs: Logs | None = None
    """How a new interpreter sets up its log; None: the worker has not set up its own."""

    @classmethod
    def of(cls, conf: Conf, load: str, logs: Logs | None = None) -> HostPolicy:
        """Return the policy that the settings describe."""
        own = conf.section(WorkerSettings)
        ahead = min(conf.worker_prefetch_multiplier or AHEAD, AHEAD)
        return cls(
            max_tasks=conf.worker_max_tasks_per_child,
            max_memory=conf.worker_max_memory_per_child,
            stall_limit=own.worker_stall_limit or None,
            depth=ahead if own.worker_optimization == "default" else 1,
            start_method=own.worker_start_method,
            load=load,
            logs=logs,
        )

    def forks(self, pool: Pool) -> bool:
        """Whether hosts of `pool` are forked, not started as new interpreters.

        Raises `ConfigurationError` where they would have to import an app that has no name.
        """
        if pool.kind is HostKind.FORK and self._method == "fork":
            return True
        if not self.load:
            forced = "" if pool.kind is HostKind.FRESH else f" (worker_start_method is {self.start_method!r})"
            raise ConfigurationError(
                f"the pool {pool.name} starts its hosts as new interpreters{forced}, and they have to import the app "
                f"themselves; tell from where: type -A module:app, or in Python Worker(app, load='module:app')"
            )
        return False

    @property
    def fork_is_safe(self) -> bool:
        """Whether hosts that cannot be forked from the supervisor may be forked from a template.

        Who asks for new interpreters has an app whose modules, once imported, bear no fork.
        """
        return self._method == "fork" and sys.platform.startswith("linux")

    @property
    def _method(self) -> str:
        if self.start_method == "auto":
            return "fork" if sys.platform.startswith("linux") else "spawn"
        return self.start_method
