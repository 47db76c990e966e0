"""The hooks that the autoscale plugin implements."""

from __future__ import annotations

from typing import Any

from kernelq.conf import Conf
from kernelq.kernel.hooks import hookimpl
from kernelq_autoscale.settings import AutoscaleSettings, span


@hookimpl
def declare_settings(settings: Conf) -> None:
    """Declare the plugin's settings."""
    settings.section(AutoscaleSettings)


@hookimpl
def celeryd_after_setup(instance: Any, conf: Conf) -> None:
    """Let the pool start with the fewest slots, or with ``worker_concurrency`` where that is given, within the span.

    Where slots are shared by ``--hosts``, it starts with one for each: a host without any would not be made later.
    """
    wanted = conf.section(AutoscaleSettings).worker_autoscale
    if wanted is None:
        return
    most, least = span(wanted)
    given, hosts = conf.worker_concurrency, getattr(instance.options, "hosts", None)
    start = min(max(given if isinstance(given, int) else 1, hosts or 1, least), most)
    conf.update({"worker_concurrency": start}, source="worker_autoscale")
