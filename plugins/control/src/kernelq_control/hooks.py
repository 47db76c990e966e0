"""The hooks that the control plugin implements."""

from __future__ import annotations

from kernelq.kernel.hooks import hookimpl
from kernelq.kernel.settings import Settings
from kernelq_control.settings import ControlSettings


@hookimpl
def declare_settings(settings: Settings) -> None:
    """Declare the plugin's settings."""
    settings.section(ControlSettings)
