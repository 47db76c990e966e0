"""The hooks that the health plugin implements."""

from __future__ import annotations

from kernelq.conf import Conf
from kernelq.kernel.hooks import hookimpl
from kernelq_health.settings import HealthSettings


@hookimpl
def declare_settings(settings: Conf) -> None:
    """Declare the plugin's settings."""
    settings.section(HealthSettings)
