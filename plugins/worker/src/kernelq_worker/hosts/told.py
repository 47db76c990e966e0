"""The life of a host, as the hooks of its app are told of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from kernelq.kernel.hooks import Hooks

if TYPE_CHECKING:
    from kernelq.handles import HostLink
    from kernelq.kernel.contracts.pool import Execute, HostRuntime


@attrs.frozen
class Told:
    """Runs a host's runtime between the hooks ``worker_process_init`` and ``worker_process_shutdown``."""

    runtime: HostRuntime
    hooks: Hooks

    def serve(self, link: HostLink, execute: Execute) -> None:
        """Do as the runtime does. Jobs that have come wait until ``worker_process_init`` is told."""
        began(self.hooks)
        code = 1
        try:
            self.runtime.serve(link, execute)
            code = 0
        finally:
            link.flush()  # outcomes wait for no hook
            ended(self.hooks, code)


def began(hooks: Hooks) -> None:
    """Tell that this process is a host now."""
    hooks.event("worker_process_init", sender=None)


def ended(hooks: Hooks, code: int = 0) -> None:
    """Tell that this process is about to be a host no longer."""
    hooks.event("worker_process_shutdown", sender=None, pid=os.getpid(), exitcode=code)
