"""The hooks that the events plugin implements."""

from __future__ import annotations

from typing import Any

from kernelq.conf import Conf
from kernelq.kernel.hooks import hookimpl
from kernelq.keys import EVENTS
from kernelq_events.settings import EventsSettings


@hookimpl
def declare_settings(settings: Conf) -> None:
    """Declare the plugin's settings."""
    settings.section(EventsSettings)


@hookimpl
def task_revoked(sender: Any, request: Any, terminated: bool, signum: int | None, expired: bool) -> None:
    """Tell those who watch; of revokes no watcher of requests is told, since many never become one."""
    events: Any = sender.context.get(EVENTS)  # this distribution's own
    if events is not None and events.enabled:
        headers = getattr(request, "job", request).headers  # it may be a delivery
        events.announcer.revoked(headers, terminated, signum, expired)
