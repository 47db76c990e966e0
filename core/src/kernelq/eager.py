"""Tasks that are run by their sender: through the executor of a worker, with their retries and links."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernelq.context import running
from kernelq.executor import job_from_message
from kernelq.nodenames import default_nodename
from kernelq.result import EagerResult
from kernelq.states import FAILURE, READY_STATES, RETRY

if TYPE_CHECKING:
    from kernelq.task import Task


def apply(
    task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], options: dict[str, Any]
) -> EagerResult[Any]:
    """Run a call of `task` now, and after it its links, in this process; return its result.

    The arguments go through the serializer as if they were sent. A retry runs at once, whatever its countdown. `throw`
    among the options raises the task's error here; its default is the setting ``task_eager_propagates``.
    """
    app = task.app
    throw = options.pop("throw", None)
    options.setdefault("ignore_result", task.ignore_result)
    message = app.amqp.build(task.name, args, kwargs, options, task)
    execute = app.executor(default_nodename(), eager=True)
    waiting = deque([message])
    result: EagerResult[Any] | None = None
    with running(None):  # a task that runs one eagerly is not its parent's request
        while waiting:
            message = waiting.popleft()
            outcome, value = execute.run(job_from_message(message, eager=True))
            waiting.extend(outcome.messages)
            if result is None and outcome.state != RETRY:
                if outcome.state == FAILURE and not isinstance(value, BaseException):
                    value = RuntimeError(outcome.detail)
                result = EagerResult(message.id, app, value, outcome.state, outcome.traceback or None, task.name)
    assert result is not None  # the first message, or its last retry, has made it
    execute.close()
    throw = app.conf.task_eager_propagates if throw is None else throw
    if throw and result.state in READY_STATES:
        result.maybe_throw()
    return result
