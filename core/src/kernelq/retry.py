"""When a task runs again: backoff, and the decision for `Task.retry` and `autoretry_for`."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kernelq.context import TaskRequest
from kernelq.exceptions import MaxRetriesExceededError, Retry


def backoff(factor: float, retries: int, maximum: float, jitter: bool = True) -> int:
    """Return the seconds to wait before retry number `retries` (from 0): ``factor * 2**retries``, at most `maximum`.

    With `jitter` it is any whole number of seconds from 0 to that.
    """
    whole = int(max(1.0, factor))
    limit = max(0, int(maximum))
    seconds = limit if retries > 64 else min(limit, whole * 2 ** max(0, retries))
    return random.randrange(seconds + 1) if jitter else seconds  # noqa: S311 - spreads load, keeps no secret


def decide(
    task: Any,
    request: TaskRequest,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    exc: BaseException | None = None,
    countdown: float | None = None,
    eta: datetime | None = None,
    max_retries: int | None = None,
    **options: Any,
) -> Retry:
    """Return the `Retry` that sends the task of `request` again, once.

    `countdown` is in seconds; without it and `eta` the task's ``default_retry_delay`` counts. Where the retries
    are used up, raises `exc`, or without it `MaxRetriesExceededError`. Outside a worker there is nothing to
    send again: raises `exc`, or the `Retry`.
    """
    if request.called_directly:
        raise exc if exc is not None else Retry("Task can be retried", None)
    if max_retries is not None:
        request.override_max_retries = max_retries
    limit = max_retries if max_retries is not None else task.max_retries
    if limit is not None and request.retries + 1 > limit:
        if exc is not None:
            raise exc
        raise MaxRetriesExceededError(
            f"Can't retry {task.name}[{request.id}] args:{request.args} kwargs:{request.kwargs}",
            task_args=request.args,
            task_kwargs=request.kwargs,
        )
    if eta is None and countdown is None:
        countdown = task.default_retry_delay
    return Retry(exc=exc, when=eta or countdown, is_eager=request.is_eager, args=args, kwargs=kwargs, options=options)


def automatic(task: Any, request: TaskRequest, error: BaseException) -> Retry | None:
    """Return the `Retry` that ``autoretry_for`` asks for after `error`, or None where the retries are used up."""
    wanted = dict(getattr(task, "retry_kwargs", None) or {})
    factor = getattr(task, "retry_backoff", False)
    if factor:
        maximum = getattr(task, "retry_backoff_max", 600)
        jitter = getattr(task, "retry_jitter", True)
        wanted["countdown"] = backoff(float(factor), request.retries, maximum, jitter)
    override = request.override_max_retries
    if override is not None:
        wanted["max_retries"] = override
    try:
        return decide(task, request, **{**wanted, "exc": error})
    except BaseException as raised:
        if raised is not error:
            raise
        return None
