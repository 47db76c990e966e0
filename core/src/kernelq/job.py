"""A job: what a host needs to run one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.define(eq=False)
class Job:
    """One task to run, still undecoded. It crosses from the supervisor to a host."""

    id: int
    """The worker's own number of this run, unique while the worker lives. Not the task id: a task may come twice."""
    task: str
    task_id: str
    headers: Mapping[str, Any]
    body: bytes
    properties: Mapping[str, Any]
    content_type: str
    content_encoding: str
    delivery_info: Mapping[str, Any]
    """exchange, routing_key, priority, redelivered, as Celery's `request.delivery_info`."""
    soft: float | None = None
    """Soft time limit in seconds from the start, or None."""
    hard: float | None = None
    """Hard time limit in seconds from the start, or None."""
    alone: bool = False
    """It was delivered before and its host was lost: nothing else runs in its host with it."""
