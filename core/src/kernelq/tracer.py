"""What one task needs around its call, put together once: hooks, handlers, retry rules, results."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq import links, retry
from kernelq.context import TaskRequest
from kernelq.delivery import Verdict
from kernelq.errorinfo import ErrorInfo, error_info, own_frames
from kernelq.exceptions import INTERRUPTS, Ignore, Reject, Retry, TimeLimitExceeded, TimeLimitInterrupt
from kernelq.failpoint import around
from kernelq.kernel.errors import BackendUnreachable
from kernelq.outcome import Outcome, Record
from kernelq.states import FAILURE, IGNORED, REJECTED, SUCCESS
from kernelq.states import RETRY as RETRYING
from kernelq.texts import LIMIT, said, shown

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.backends import ResultWriter
    from kernelq.job import Job
    from kernelq.message import Message

log = logging.getLogger("kernelq.executor")
own_frames(__file__)

STORE_PAUSE = 5.0
"""Seconds until a task whose result could not be stored is delivered again."""


class Tracer:
    """Runs nothing itself: the executor calls `call`, then `succeeded` or `failed`, which return the outcome."""

    def __init__(self, app: KernelQ, task: Any, writer: ResultWriter | None, *, eager: bool = False) -> None:
        conf = app.conf
        self._app = app
        self._task = task
        call: Callable[..., Any] = task if _custom(task, "__call__") else task.run
        self.call = around(call, "before_execute", "after_execute")
        self.is_async = inspect.iscoroutinefunction(self.call)
        self.may_await = self.is_async or inspect.iscoroutinefunction(inspect.unwrap(self.call))
        """Whether it is an ``async def`` function, or wraps one: a wrapper returns the coroutine, or has run it."""
        self._writer = writer
        self.stores = writer is not None and writer.here
        """Whether telling of an end stores the result, which may block."""
        self._ignores = _choice(task, "ignore_result", conf.task_ignore_result)
        self._stores_errors = _choice(task, "store_errors_even_if_ignored", conf.task_store_errors_even_if_ignored)
        both = getattr(conf, "task_acks_on_failure_or_timeout", True)
        self._acks_failure = bool(_choice(task, "acks_on_failure", both)) and both
        self._acks_timeout = bool(_choice(task, "acks_on_timeout", both)) and both
        self._track = _choice(task, "track_started", conf.task_track_started) and not eager
        self._width = min(_choice(task, "resultrepr_maxsize", LIMIT), LIMIT)
        self._trail = _choice(task, "trail", True)
        self._retry_for = tuple(getattr(task, "autoretry_for", None) or ())
        self._never_retry = tuple(getattr(task, "dont_autoretry_for", None) or ())
        compiled = app.hooks.compiled
        self._prerun, self._postrun = compiled("task_prerun"), compiled("task_postrun")
        self._on_success, self._on_failure = compiled("task_success"), compiled("task_failure")
        self._on_retry, self._on_broken = compiled("task_retry"), compiled("task_internal_error")
        self._own = {name: getattr(task, name) for name in _HANDLERS if _custom(task, name)}
        self._after = bool(self._postrun or self._on_success or self._own)
        self.has_start = bool(self._prerun or self._track or "before_start" in self._own or not self._trail)

    def start(self, request: TaskRequest, started: Callable[[Record], None] | None) -> None:
        """Do what comes before the call. Raises what `before_start` raises: it is part of the task."""
        request.trail = self._trail
        if self._prerun:
            self._prerun(
                sender=self._task, task_id=request.id, task=self._task, args=request.args, kwargs=request.kwargs
            )
        if self._track and self._writer is not None and not self._ignored(request):
            self._tell_started(request, started)
        if "before_start" in self._own:
            self._own["before_start"](request.id, request.args, request.kwargs)

    def succeeded(self, job: Job, request: TaskRequest, value: Any, runtime: float) -> Outcome:
        """Return the outcome of a task that has returned `value`."""
        writer, wire = self._writer, request.wire
        messages: tuple[Message, ...] = ()
        record = None
        try:
            if request.callbacks or request.chain:
                messages = links.follow(self._app, request, value)
            ignored = wire.get("ignore_result")
            if writer is not None and not (self._ignores if ignored is None else ignored):
                record = writer.keep(writer.success(request, value))
        except BackendUnreachable as away:
            return self._store_away(request, value, away, SUCCESS, runtime)
        except Exception as error:  # noqa: BLE001 - links and results hold what the task returned: it is to blame
            return self._failure(job, request, error, runtime)
        if self._after:
            self._tell_success(request, value)
        return Outcome(SUCCESS, Verdict.ACK, None, "", runtime, shown(value, self._width), "", record, messages)

    def failed(self, job: Job, request: TaskRequest, error: BaseException, runtime: float) -> Outcome:
        """Return the outcome of a task that has raised `error`: a retry, a decision, or a failure."""
        if isinstance(error, Ignore):
            return self._ended(request, error, Outcome(IGNORED, runtime=runtime, detail=said(error)))
        if isinstance(error, Reject):
            verdict = Verdict.REQUEUE if error.requeue else Verdict.BURY
            why = f"rejected by the task: {said(error.reason)}"
            return self._ended(request, error, Outcome(REJECTED, verdict, None, why, runtime, said(error)))
        if isinstance(error, Retry):
            return self._retry(job, request, error, error, runtime)
        if isinstance(error, TimeLimitInterrupt):
            return self._failure(job, request, error, runtime)
        if self._retry_for and isinstance(error, self._retry_for) and not isinstance(error, self._never_retry):
            wanted = retry.automatic(self._task, request, error)
            if wanted is not None:
                return self._retry(job, request, wanted, error, runtime)
        return self._failure(job, request, error, runtime)

    def broken(self, job: Job, request: TaskRequest, error: BaseException, runtime: float) -> Outcome:
        """Return the outcome where KernelQ's own code raised, or an interrupt came before or after the task's."""
        info = error_info(error)
        detail = f"{type(error).__name__}: {said(error)}"
        try:
            if not isinstance(error, INTERRUPTS):
                log.error("internal error around %s[%s]: %s\n%s", job.task, job.task_id, detail, info)
                self._tell_broken(request, error, info)
            return self._failure(job, request, error, runtime)
        except BaseException as second:  # noqa: BLE001 - the slot must live on, and the message must not be lost
            if isinstance(second, TimeLimitInterrupt) and not isinstance(error, TimeLimitInterrupt):
                return self.broken(job, request, second, runtime)  # there is one for a job at most
            reason = f"{detail}; then {type(second).__name__}: {said(second)}"
            return Outcome(REJECTED, Verdict.BURY, None, reason, runtime, detail, str(info))

    def _failure(self, job: Job, request: TaskRequest, error: BaseException, runtime: float) -> Outcome:
        timeout = isinstance(error, INTERRUPTS)
        if isinstance(error, TimeLimitInterrupt):
            error = TimeLimitExceeded(job.hard).with_traceback(error.__traceback__)
        info = error_info(error)
        detail = shown(error)
        messages = links.errbacks(self._app, request, error, info) if request.errbacks else ()
        record = None
        if self._writer is not None and (self._stores_errors or not self._ignored(request)):
            try:
                record = self._writer.keep(self._writer.failure(request, FAILURE, error, info))
            except BackendUnreachable as away:
                return self._store_away(request, error, away, FAILURE, runtime)
        self._handle("on_failure", error, request.id, request.args, request.kwargs, info)
        if self._on_failure:
            self._on_failure(
                sender=self._task, task_id=request.id, exception=error, args=request.args, kwargs=request.kwargs,
                traceback=info.tb, einfo=info,
            )  # fmt: skip
        self._end(request, error, FAILURE, info)
        verdict, reason = Verdict.ACK, ""
        if not (self._acks_timeout if timeout else self._acks_failure):
            what = "acks_on_timeout" if timeout else "acks_on_failure"
            verdict, reason = Verdict.BURY, f"the task failed, and its {what} is off: {detail}"
        return Outcome(FAILURE, verdict, None, reason, runtime, detail[:LIMIT], str(info), record, messages)

    def _tell_broken(self, request: TaskRequest, error: BaseException, info: ErrorInfo) -> None:
        if self._on_broken:
            self._on_broken(
                sender=self._task, task_id=request.id, args=request.args, kwargs=request.kwargs,
                request=request, exception=error, traceback=info.tb, einfo=info,
            )  # fmt: skip

    def _retry(self, job: Job, request: TaskRequest, wanted: Retry, raised: BaseException, runtime: float) -> Outcome:
        cause = wanted.exc if wanted.exc is not None else raised
        info = error_info(raised)
        record = None
        try:
            message = links.again(self._app, job, request, wanted)
            if self._writer is not None and (self._stores_errors or not self._ignored(request)):
                record = self._writer.keep(self._writer.failure(request, RETRYING, cause, info))
        except BackendUnreachable as away:
            return self._store_away(request, wanted, away, RETRYING, runtime)
        except Exception as error:  # noqa: BLE001 - new arguments that cannot be sent are the task's failure
            return self._failure(job, request, error, runtime)
        self._handle("on_retry", cause, request.id, request.args, request.kwargs, info)
        if self._on_retry:
            self._on_retry(sender=self._task, request=request, reason=wanted, einfo=info)
        self._end(request, wanted, RETRYING, info)
        detail = said(wanted)
        why = shown(cause)[:LIMIT]
        return Outcome(RETRYING, Verdict.ACK, message.eta, why, runtime, detail, str(info), record, (message,))

    def _store_away(
        self, request: TaskRequest, value: Any, away: BackendUnreachable, state: str, runtime: float
    ) -> Outcome:
        reason = f"the result ({state}) could not be stored: {said(away)}"
        log.error("%s[%s] is delivered again: %s", request.task, request.id, reason)
        self._end(request, value, REJECTED, None)
        due = time.time() + STORE_PAUSE
        return Outcome(REJECTED, Verdict.DEFER, due, reason, runtime, reason[:LIMIT])

    def _ended(self, request: TaskRequest, error: BaseException, outcome: Outcome) -> Outcome:
        self._end(request, error, outcome.state, None)
        return outcome

    def _tell_success(self, request: TaskRequest, value: Any) -> None:
        self._handle("on_success", value, request.id, request.args, request.kwargs)
        if self._on_success:
            self._on_success(sender=self._task, result=value)
        self._end(request, value, SUCCESS, None)

    def _end(self, request: TaskRequest, value: Any, state: str, info: ErrorInfo | None) -> None:
        if state in (SUCCESS, FAILURE):
            self._handle("after_return", state, value, request.id, request.args, request.kwargs, info)
        if self._postrun:
            self._postrun(
                sender=self._task, task_id=request.id, task=self._task, args=request.args, kwargs=request.kwargs,
                retval=value, state=state,
            )  # fmt: skip

    def _handle(self, name: str, *args: Any) -> None:
        """Call a handler of the task's own class; the outcome stands, whatever it raises."""
        handler = self._own.get(name)
        if handler is not None:
            try:
                handler(*args)
            except BaseException:  # not even SystemExit may turn a success into a failure
                log.exception("%s of the task %s raised", name, self._task.name)

    def _tell_started(self, request: TaskRequest, started: Callable[[Record], None] | None) -> None:
        assert self._writer is not None
        record = self._writer.started(request)
        if started is not None:
            started(record)
        else:
            self.store_started(request, record)

    def store_started(self, request: TaskRequest, record: Record) -> None:
        """Store the record of STARTED. A store that is away is logged: the task runs all the same."""
        assert self._writer is not None
        try:
            self._writer.store(record)
        except BackendUnreachable as away:
            log.warning("STARTED of %s[%s] could not be stored: %s", request.task, request.id, away)

    def _ignored(self, request: TaskRequest) -> bool:
        asked = request.wire.get("ignore_result")
        return bool(self._ignores if asked is None else asked)


_HANDLERS = ("before_start", "on_success", "on_failure", "on_retry", "after_return")


def _choice(task: Any, name: str, default: Any) -> Any:
    value = getattr(task, name, None)
    return default if value is None else value


def _custom(task: Any, name: str) -> bool:
    """Tell whether the task's class has its own `name`."""
    from kernelq.task import Task

    return getattr(type(task), name, None) is not getattr(Task, name, None)
