"""States of a task's own, as `Task.update_state` stores them: progress, for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelq import meta as metas
from kernelq import serialization
from kernelq.exceptions import NoResultBackend
from kernelq.outcome import Record

if TYPE_CHECKING:
    from kernelq.app import KernelQ


def store_state(app: KernelQ, task_id: str, state: str, meta: Any = None, request: Any = None) -> None:
    """Store the state of a task, with `meta` as its result, at once and from this process.

    Raises `NoResultBackend`, and `kernelq.kernel.errors.BackendUnreachable`.
    """
    backend = app.backend
    if backend is None:
        raise NoResultBackend("a state cannot be kept: the setting result_backend is off; set it to a URL")
    if isinstance(meta, BaseException):
        meta = metas.failure(meta, serialization.to_json)
    conf = app.conf
    values = metas.meta(state, meta, task_id=task_id, request=request, extended=conf.result_extended)
    payload = serialization.dumps(values, conf.result_serializer, app.discovery)[2]
    reply_to = None if request is None else request.reply_to
    backend.store_many([Record(task_id, state, payload, conf.result_expires or None, reply_to)])
