"""The hooks that the autoreload plugin implements."""

from __future__ import annotations

from typing import Any

from kernelq.conf import Conf
from kernelq.kernel.hooks import hookimpl
from kernelq_autoreload.settings import AutoreloadSettings

SOURCE = "autoreload"


@hookimpl
def declare_settings(settings: Conf) -> None:
    """Declare the plugin's settings."""
    settings.section(AutoreloadSettings)


@hookimpl
def celeryd_init(conf: Conf, options: Any) -> None:
    """Have hosts started as new interpreters, so that they import what is there when they start.

    Where that cannot be, the step Autoreloader says so: what a hook raises is only logged.
    """
    wanted = conf.section(AutoreloadSettings).worker_autoreload
    if wanted and options.load and conf.source("worker_start_method") == "default":
        conf.update({"worker_start_method": "spawn"}, source=SOURCE)


@hookimpl
def setup_logging(loglevel: int, logfile: str | None) -> bool | None:
    """Log for a person at a terminal, under `kernelq dev`."""
    from kernelq_autoreload.dev import lines  # it needs the command line's library, which a producer never loads

    return lines.setup(loglevel) if logfile is None and lines.wanted() else None
