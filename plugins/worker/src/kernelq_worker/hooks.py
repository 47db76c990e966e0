"""The hooks that the worker plugin implements."""

from __future__ import annotations

from kernelq.conf import Conf
from kernelq.kernel.hooks import hookimpl
from kernelq_worker.options import WorkerSettings


@hookimpl
def declare_settings(settings: Conf) -> None:
    """Declare the worker's own settings, so that they are known wherever an app is configured."""
    settings.section(WorkerSettings)
