"""What follows a task: its links, the next part of its chain, its errbacks, itself again. All of it as messages."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kernelq.exceptions import InvalidTaskError, Retry
from kernelq.message import Message

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.context import TaskRequest
    from kernelq.job import Job

log = logging.getLogger("kernelq.links")

_X_DEATH = frozenset({"x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"})
_PROPERTIES = ("correlation_id", "reply_to", "delivery_mode", "priority")


def follow(app: KernelQ, request: TaskRequest, value: Any) -> tuple[Message, ...]:
    """Return the messages of the links and of the chain's next part after a success, and note them as children.

    Raises EncodeError where `value` cannot be sent, `InvalidTaskError` where a link is no signature.
    """
    messages: list[Message] = []
    for link in request.callbacks or ():
        messages += _messages(app, request, link, (value,))
    chain = request.chain
    if chain:
        messages += _messages(app, request, chain[-1], (value,), rest=chain[:-1])
    return tuple(messages)


def errbacks(app: KernelQ, request: TaskRequest, error: BaseException, traceback: str) -> tuple[Message, ...]:
    """Return the messages of the errbacks; those that take (request, exc, traceback) are called here, as in Celery."""
    messages: list[Message] = []
    for one in request.errbacks or ():
        try:
            if not _called(app, request, one, error, traceback):
                messages += _messages(app, request, one, (request.id,))
        except BaseException:  # the outcome stands, whatever an errback raises
            log.exception("errback %r of %s[%s] failed", one, request.task, request.id)
    return tuple(messages)


def _called(app: KernelQ, request: TaskRequest, errback: Any, error: BaseException, traceback: str) -> bool:
    name = errback.get("task") if isinstance(errback, Mapping) else None
    task: Any = app.tasks.get(name) if isinstance(name, str) else None
    if task is None or not _wants_three(task.run, errback):
        return False
    task.run(request, error, traceback, *(errback.get("args") or ()), **(errback.get("kwargs") or {}))
    return True


def _wants_three(function: Any, errback: Mapping[str, Any]) -> bool:
    try:
        inspect.signature(function).bind(0, 0, 0, *(errback.get("args") or ()), **(errback.get("kwargs") or {}))
    except (TypeError, ValueError):
        return False
    return True


def _messages(
    app: KernelQ, request: TaskRequest, signature: Any, args: tuple[Any, ...], rest: Iterable[Any] = ()
) -> list[Message]:
    if not isinstance(signature, Mapping) or not isinstance(signature.get("task"), str):
        raise InvalidTaskError(f"the link {signature!r} is no signature")
    kind = signature.get("subtask_type")
    options = dict(signature.get("options") or {})
    kwargs = dict(signature.get("kwargs") or {})
    rest = list(rest)
    if kind == "chain":
        steps = list(kwargs.get("tasks") or ())
        if not steps:
            raise InvalidTaskError("the link is an empty chain")
        first, later = steps[0], steps[1:]
        options.pop("task_id", None)
        merged = {**first, "options": {**options, **(first.get("options") or {})}}
        return _messages(app, request, merged, args, rest + later[::-1])
    if kind == "group":
        if rest:
            raise InvalidTaskError("a group within a chain must have become a chord before it was sent")
        return [one for part in kwargs.get("tasks") or () for one in _messages(app, request, part, args)]
    if kind == "chord":
        raise InvalidTaskError("a chord cannot be a link yet")
    given = tuple(signature.get("args") or ())
    if not signature.get("immutable"):
        given = args + given
    if rest:
        options["chain"] = rest
    options.setdefault("parent_id", request.id)
    options.setdefault("root_id", request.root_id or request.id)
    if app.conf.task_inherit_parent_priority and options.get("priority") is None:
        options["priority"] = (request.delivery_info or {}).get("priority")
    name = signature["task"]
    message = app.amqp.build(name, given, kwargs, _understood(options), app.tasks.get(name))
    if request.trail:
        request.children.append(app.AsyncResult(message.id))
    return [message]


def _understood(options: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what other senders' signatures carry and nobody here knows; a link is not lost for it."""
    from kernelq.amqp import OPTIONS

    known = OPTIONS | set(options.get("stamped_headers") or ())
    return {key: value for key, value in options.items() if key in known and value is not None}


def again(app: KernelQ, job: Job, request: TaskRequest, retry: Retry) -> Message:
    """Return the message that runs the task of `job` once more: same id, one retry more, due at ``retry.when``.

    The body is sent as it came unless the arguments change. Raises EncodeError where new ones cannot be sent.
    """
    options = retry.options
    headers = {key: value for key, value in job.headers.items() if key not in _X_DEATH}
    due = _due(retry.when)
    headers |= {"task": job.task, "id": job.task_id, "retries": request.retries + 1}
    headers["eta"] = None if due is None else datetime.fromtimestamp(due, UTC).isoformat()
    if "time_limit" in options or "soft_time_limit" in options:
        hard, soft = headers.get("timelimit") or (None, None)
        headers["timelimit"] = [options.get("time_limit", hard), options.get("soft_time_limit", soft)]
    headers.update(options.get("headers") or {})
    body, content_type, encoding = job.body, job.content_type, job.content_encoding
    if retry.task_args is not None or retry.task_kwargs is not None:
        body, content_type, encoding = _new_body(app, job, request, retry, headers)
    info = job.delivery_info
    queue = options.get("queue") or info.get("queue") or info.get("routing_key") or app.conf.task_default_queue
    named = "queue" in options
    properties = {key: job.properties[key] for key in _PROPERTIES if job.properties.get(key) is not None}
    properties |= {"correlation_id": job.task_id, "delivery_mode": properties.get("delivery_mode", 2)}
    priority = options.get("priority", job.properties.get("priority")) or 0
    if "priority" in options:
        properties["priority"] = priority
    expires = _epoch(headers.get("expires"))
    return Message(
        id=job.task_id,
        headers=headers,
        body=body,
        properties=properties,
        queue=queue,
        exchange=options.get("exchange", "" if named else info.get("exchange") or ""),
        routing_key=options.get("routing_key", queue if named else info.get("routing_key") or queue),
        content_type=content_type,
        content_encoding=encoding,
        priority=priority,
        eta=due,
        expires=expires,
    )


def _new_body(
    app: KernelQ, job: Job, request: TaskRequest, retry: Retry, headers: dict[str, Any]
) -> tuple[bytes, str, str]:
    from kernelq.saferepr import saferepr
    from kernelq.serialization import dumps

    args = request.args if retry.task_args is None else retry.task_args
    kwargs = request.kwargs if retry.task_kwargs is None else retry.task_kwargs
    embed = {name: request.get(name) for name in ("callbacks", "errbacks", "chain", "chord")}
    content_type, encoding, data = dumps([list(args), dict(kwargs), embed], app.conf.task_serializer)
    headers.pop("compression", None)
    headers |= {"argsrepr": saferepr(args), "kwargsrepr": saferepr(kwargs)}
    return data, content_type, encoding


def _due(when: datetime | float | None) -> float | None:
    if when is None or when == 0:
        return None
    if isinstance(when, datetime):
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return time.time() + float(when)


def _epoch(text: Any) -> float | None:
    try:
        return _due(datetime.fromisoformat(text)) if isinstance(text, str) else None
    except ValueError:
        return None
