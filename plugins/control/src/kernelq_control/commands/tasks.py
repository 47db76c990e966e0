"""Commands that ask about tasks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from kernelq.command import inspect_command
from kernelq.kernel.keys import Context
from kernelq.keys import APP, REQUESTS, STATE, WORKER
from kernelq.request import Request

JSON = "application/json"
MOST = 32_768
"""Bytes of a body that is decoded to be shown; of a longer one the reprs of its headers are."""
SHOWN = ("exchange", "routing_key", "rate_limit")
"""Attributes that `registered` shows where a task has them (celery/worker/control.py)."""


@inspect_command()
def registered(ctx: Context, taskinfoitems: Sequence[str] | None = None, builtins: bool = False) -> list[str]:
    """Ask for the tasks that the worker has, with their attributes."""
    tasks = ctx[APP].tasks
    names = sorted(name for name in tasks if builtins or not name.startswith("celery."))
    return [_line(name, tasks[name], taskinfoitems or SHOWN) for name in names]


@inspect_command()
def active(ctx: Context, safe: bool = False) -> list[dict[str, Any]]:
    """Ask for the tasks that run; arguments as they are, where that is known, or with safe as their repr."""
    return _shown(ctx, ctx[REQUESTS].active(), safe)


@inspect_command()
def reserved(ctx: Context, safe: bool = False) -> list[dict[str, Any]]:
    """Ask for the tasks that wait for a slot."""
    return _shown(ctx, ctx[REQUESTS].reserved(), safe)


@inspect_command()
def scheduled(ctx: Context, safe: bool = False) -> list[dict[str, Any]]:
    """Ask for the tasks that wait here for their time: none, they wait in the broker."""
    return []


@inspect_command()
def query_task(ctx: Context, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Ask for tasks by id: whether they run or wait here, and all that is known of them."""
    hostname = ctx[WORKER].hostname
    found = {}
    for task_id in [ids] if isinstance(ids, str) else ids:
        request = ctx[REQUESTS].find(task_id)
        if request is not None:
            found[task_id] = ["reserved" if request.started_at is None else "active", _info(request, hostname, False)]
    return found


@inspect_command()
def revoked(ctx: Context) -> list[str]:
    """Ask for the revoked ids."""
    return sorted(ctx[STATE].revoked)


def _shown(ctx: Context, requests: Iterable[Request], safe: object) -> list[dict[str, Any]]:
    hostname = ctx[WORKER].hostname
    return [_info(request, hostname, bool(safe)) for request in requests]


def _info(request: Request, hostname: str, safe: bool) -> dict[str, Any]:
    """Return what Celery's workers tell of a request; the body is decoded where it is plain JSON, and short."""
    told = request.info(hostname)
    job = request.job
    if not safe and job.content_type == JSON and len(job.body) <= MOST and not job.headers.get("compression"):
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            args, kwargs, _ = json.loads(job.body)
            told |= {"args": args, "kwargs": kwargs}
    return told


def _line(name: str, task: Any, attributes: Iterable[str]) -> str:
    values = {attribute: getattr(task, attribute, None) for attribute in attributes}
    told = [f"{attribute}={value}" for attribute, value in values.items() if value is not None]
    return f"{name} [{' '.join(told)}]" if told else name
