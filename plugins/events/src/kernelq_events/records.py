"""The events of tasks, field for field as Celery's worker sends them (celery/worker/{request,strategy}.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from kernelq.saferepr import LIMIT, saferepr


class TaskEvent(msgspec.Struct, tag_field="type", gc=False):
    """What every event of a task has. The order of the fields is that in which they are given."""

    hostname: str
    utcoffset: float
    pid: int
    timestamp: float
    clock: int
    uuid: str


class Received(TaskEvent, tag="task-received", gc=False):
    """The worker has accepted the task."""

    name: str
    args: Any
    kwargs: Any
    root_id: Any
    parent_id: Any
    retries: Any
    eta: Any
    expires: Any


class Started(TaskEvent, tag="task-started", gc=False):
    """The task runs."""


class Succeeded(TaskEvent, tag="task-succeeded", gc=False):
    """The task has returned; `result` is its repr."""

    result: str
    runtime: float


class Failed(TaskEvent, tag="task-failed", gc=False):
    """The task has raised, or its host is gone, or nobody could run it."""

    exception: str
    traceback: str


class Retried(TaskEvent, tag="task-retried", gc=False):
    """The task will run again, for this exception."""

    exception: str
    traceback: str


class Rejected(TaskEvent, tag="task-rejected", gc=False):
    """The task has sent its message back, or buried it."""

    requeue: bool


class Revoked(TaskEvent, tag="task-revoked", gc=False):
    """The task was not run, or was ended, by command; or it had expired."""

    terminated: bool
    signum: int | None
    expired: bool


_encode = msgspec.json.Encoder(enc_hook=lambda value: saferepr(value, LIMIT)).encode


def encode(body: Any) -> bytes:
    """Return an event, or a list of them, as JSON; what JSON has no word for, as its repr."""
    return _encode(body)
