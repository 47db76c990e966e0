"""The entry point: the view named ``live``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq_monitor.screen import Monitor
from kernelq_monitor.watch import Watch

if TYPE_CHECKING:
    from kernelq.app import KernelQ


def live(app: KernelQ) -> None:
    """Show the cluster until the user leaves; see `kernelq.events.view.View`."""
    with Watch(app) as watch:
        Monitor(watch).run()
    if watch.error is not None:
        raise watch.error
