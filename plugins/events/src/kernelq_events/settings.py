"""Settings that this plugin adds."""

from __future__ import annotations

import attrs

from kernelq.kernel.settings import setting


def _positive(value: float) -> str | None:
    return None if value > 0 else "it must be above 0"


@attrs.define(slots=False)
class EventsSettings:
    """What a worker tells of itself and its tasks."""

    worker_send_task_events: bool = setting(
        False,
        "whether events of tasks are sent from the start; monitors can ask for them later",
        option="-E/--task-events",
    )
    worker_without_heartbeat: bool = setting(
        False,
        "whether the worker sends no heartbeats, so that monitors cannot see it live",
        option="--without-heartbeat",
    )
    worker_heartbeat_interval: float = setting(
        2.0, "seconds between two heartbeat events", check=_positive, option="--heartbeat-interval=SECONDS"
    )
