"""The control commands of events, with Celery's words (celery/worker/control.py)."""

from __future__ import annotations

from typing import Any

from kernelq.command import control_command
from kernelq.kernel.keys import Context
from kernelq.keys import APP, EVENTS, TRANSPORT
from kernelq_events.settings import EventsSettings
from kernelq_events.vitals import vitals


@control_command()
def enable_events(ctx: Context) -> dict[str, str]:
    """Send events of tasks."""
    events: Any = ctx[EVENTS]  # this distribution's own
    if not events.audible:
        return {"error": f"{ctx[TRANSPORT].safe_url()} has no fan-out: no event would reach anybody"}
    return {"ok": "task events enabled" if events.enable() else "task events already enabled"}


@control_command()
def disable_events(ctx: Context) -> dict[str, str]:
    """Send no events of tasks."""
    return {"ok": "task events disabled" if ctx[EVENTS].disable() else "task events already disabled"}


@control_command()
def heartbeat(ctx: Context) -> None:
    """Send a heartbeat event now."""
    ctx[EVENTS].send("worker-heartbeat", **vitals(ctx, ctx[APP].conf.section(EventsSettings).worker_heartbeat_interval))
