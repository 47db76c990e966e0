"""Settings that this plugin adds."""

from __future__ import annotations

import attrs

from kernelq.kernel.settings import setting


@attrs.define(slots=False)
class ControlSettings:
    """Who may tell a worker what."""

    worker_remote_control_commands: list[str] | tuple[str, ...] | None = setting(
        None, "commands that the worker answers; None: all that are installed"
    )
