"""Results that the supervisor writes itself, of tasks that never came to an end of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernelq import states

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.outcome import Record


def failure(
    app: KernelQ,
    headers: Mapping[str, Any],
    error: BaseException,
    state: str = states.FAILURE,
    properties: Mapping[str, Any] | None = None,
) -> Record | None:
    """Return the record of a task that ended with `error`, or None where its result is not to be kept."""
    backend = app.backend
    if backend is None or not _kept(app, headers):
        return None
    from kernelq.backends import ResultWriter
    from kernelq.context import TaskRequest

    request = TaskRequest(headers)
    request.properties = properties or {}
    return ResultWriter(app, backend).failure(request, state, error, None)


def _kept(app: KernelQ, headers: Mapping[str, Any]) -> bool:
    name = headers.get("task")
    task = app.tasks.get(name) if isinstance(name, str) else None
    ignored = headers.get("ignore_result")
    if ignored is None:
        ignored = task.ignore_result if task is not None else app.conf.task_ignore_result
    errors_kept = getattr(task, "store_errors_even_if_ignored", app.conf.task_store_errors_even_if_ignored)
    return not ignored or bool(errors_kept)
