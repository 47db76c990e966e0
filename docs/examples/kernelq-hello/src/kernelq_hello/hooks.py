"""Hook implementations: settings are declared, and finished tasks are counted."""

from __future__ import annotations

import logging
from typing import Any

from kernelq.kernel.hooks import hookimpl
from kernelq_hello.settings import HelloSettings

log = logging.getLogger("kernelq_hello")


@hookimpl
def declare_settings(settings: Any) -> None:
    """Make `hello_name` a setting of the app."""
    settings.section(HelloSettings)


@hookimpl
def worker_ready(sender: Any) -> None:
    """Say hello when the worker consumes."""
    log.info("hello from %s", sender.hostname)
