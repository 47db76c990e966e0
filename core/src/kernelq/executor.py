"""The executor: runs one job in a slot. Decode, hooks, call, then retry or outcome, result, links."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, cast

from kernelq.backends import ResultWriter
from kernelq.bodies import BodyReader, Refused
from kernelq.context import TaskRequest, _current
from kernelq.delivery import Verdict
from kernelq.errorinfo import error_info, own_frames
from kernelq.exceptions import INTERRUPTS
from kernelq.interruptible import plain
from kernelq.keptloop import KeptLoop, run_aside
from kernelq.outcome import Outcome, Record
from kernelq.states import FAILURE, REJECTED
from kernelq.texts import said
from kernelq.tracer import Tracer

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.job import Job

Started = Callable[[Record], None]
"""Takes the record of STARTED, where the supervisor stores results."""

run_coroutine: contextvars.ContextVar[Callable[[Coroutine[Any, Any, Any]], Any] | None] = contextvars.ContextVar(
    "kernelq_run_coroutine", default=None
)
"""Runs a coroutine to its end, for pools whose threads cannot keep an event loop; None: they can."""

own_frames(__file__)


class Executor:
    """Runs jobs of an app's tasks: ``executor(job) -> Outcome``. Thread-safe; nothing is raised for what a job holds.

    Make it when all hooks are connected: what is called per task is compiled for each task at its first job.
    Raises `kernelq.kernel.errors.ConfigurationError` where a serializer or the result store is set wrongly.
    `eager` is for running in the sender's process: nothing is stored unless ``task_store_eager_result`` is on.
    """

    def __init__(self, app: KernelQ, hostname: str, *, eager: bool = False) -> None:
        self._app = app
        self._hostname = hostname
        self._eager = eager
        self._tracers: dict[str, Tracer] = {}
        conf = app.conf
        self._bodies = BodyReader(
            conf.accept_content, conf.max_message_bytes, conf.max_decompressed_bytes, app.discovery
        )
        backend = app.backend if not eager or conf.task_store_eager_result else None
        self._writer = ResultWriter(app, backend) if backend is not None else None
        self._loops = threading.local()

    def __call__(self, job: Job, started: Started | None = None) -> Outcome:
        """Run one job to its end; an ``async def`` task runs on an event loop that this thread keeps.

        `started` is called with the record of STARTED where results are stored by the supervisor and the task
        tracks its start.
        """
        return self.run(job, started)[0]

    def run(self, job: Job, started: Started | None = None) -> tuple[Outcome, Any]:
        """Do as a call does; return also what the task returned or raised."""
        prepared = self._prepare(job)
        if isinstance(prepared, Outcome):
            return prepared, None
        tracer, request = prepared
        token = _current.set(request)
        begin = time.perf_counter()
        try:
            try:
                if tracer.has_start:
                    tracer.start(request, started)
                begin = time.perf_counter()
                value = tracer.call(*request.args, **request.kwargs)
                if value.__class__ is _COROUTINE or (tracer.is_async and inspect.isawaitable(value)):
                    value = self._await(value, job)
                runtime = time.perf_counter() - begin
            except BaseException as error:  # noqa: BLE001 - a task may raise anything; each kind has its outcome
                return tracer.failed(job, request, error, time.perf_counter() - begin), error
            return tracer.succeeded(job, request, value, runtime), value
        except BaseException as error:  # noqa: BLE001 - an interrupt can arrive at any line
            return tracer.broken(job, request, error, time.perf_counter() - begin), error
        finally:
            try:  # noqa: SIM105  # `suppress` costs a call
                _current.reset(token)
            except INTERRUPTS:  # the job has ended, and its outcome stands
                pass

    def interrupted(self, job: Job, error: BaseException) -> Outcome:
        """Return the outcome of a job that failed with `error`, where no line of its task was there to be told.

        `error` is what a time limit raised while the job was being prepared, or had ended.
        """
        prepared = self._prepare(job)
        if isinstance(prepared, Outcome):
            return prepared
        tracer, request = prepared
        token = _current.set(request)
        try:
            return tracer.broken(job, request, plain(error), 0.0)
        finally:
            _current.reset(token)

    def is_async(self, job: Job) -> bool:
        """Tell whether `execute_async` is the way to run `job`: its task is an ``async def`` function, or wraps one."""
        try:
            return (self._tracers.get(job.task) or self._compile(job.task)).may_await
        except Refused:
            return False

    async def execute_async(self, job: Job) -> Outcome:
        """Run one job on the running event loop; what may block it, a plain function above all, runs in a thread.

        A task that is cancelled, by itself or by another, has failed. What raises an exception in it is
        `kernelq.interruptible.Interruptible`.
        """
        tracer = self._tracers.get(job.task)
        if not (tracer.may_await if tracer is not None else self.is_async(job)):
            return await asyncio.to_thread(self, job)
        prepared = self._prepare(job)
        if isinstance(prepared, Outcome):
            return prepared
        tracer, request = prepared
        token = _current.set(request)
        begin = time.perf_counter()
        try:
            try:
                if tracer.has_start:
                    await _start(tracer, request)
                begin = time.perf_counter()
                if tracer.is_async:
                    value = tracer.call(*request.args, **request.kwargs)
                else:
                    value = await asyncio.to_thread(tracer.call, *request.args, **request.kwargs)
                if value.__class__ is _COROUTINE or inspect.isawaitable(value):
                    value = await value
                runtime = time.perf_counter() - begin
            except BaseException as error:  # noqa: BLE001 - a task may raise anything; each kind has its outcome
                raised, runtime = plain(error), time.perf_counter() - begin
                if tracer.stores:
                    return await _ended(tracer.failed, job, request, raised, runtime)
                return tracer.failed(job, request, raised, runtime)
            if tracer.stores:
                return await _ended(tracer.succeeded, job, request, value, runtime)
            return tracer.succeeded(job, request, value, runtime)
        except BaseException as error:  # noqa: BLE001 - as in `run`
            return tracer.broken(job, request, plain(error), time.perf_counter() - begin)
        finally:
            _current.reset(token)

    def close(self) -> None:
        """Close the event loop of the calling thread, if it has one."""
        kept = self._loops.__dict__.pop("kept", None)
        if kept is not None:
            kept.close()

    def _prepare(self, job: Job) -> tuple[Tracer, TaskRequest] | Outcome:
        try:
            tracer = self._tracers.get(job.task) or self._compile(job.task)
            args, kwargs, embed = self._bodies.read(job)
            return tracer, TaskRequest.of(job, args, kwargs, embed, self._hostname)
        except Refused as refused:
            return Outcome(REJECTED, Verdict.BURY, reason=str(refused), detail=str(refused))
        except INTERRUPTS:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a message holds, the slot lives on
            return _unprepared(job, error)

    def _compile(self, name: str) -> Tracer:
        task = self._app.tasks.get(name)
        if task is None:
            raise Refused(f"the task {name!r} is not registered here")
        tracer = self._tracers[name] = Tracer(self._app, task, self._writer, eager=self._eager)
        return tracer

    def _await(self, awaitable: Any, job: Job) -> Any:
        coroutine = awaitable if awaitable.__class__ is _COROUTINE else _coroutine(awaitable)
        elsewhere = run_coroutine.get()
        if elsewhere is not None:
            return elsewhere(coroutine)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            kept = self._loops.__dict__.get("kept")
            if kept is None:
                kept = self._loops.kept = KeptLoop()
            return kept.run(coroutine, limited=job.soft is not None or job.hard is not None)
        return run_aside(coroutine)


async def _nothing() -> None: ...


async def _coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


_probe = _nothing()
_COROUTINE = type(_probe)
_probe.close()


async def _start(tracer: Tracer, request: TaskRequest) -> None:
    records: list[Record] = []
    tracer.start(request, records.append)
    for record in records:
        _, interrupt = await _aside(tracer.store_started, request, record)
        if interrupt is not None:
            raise interrupt


async def _ended(tell: Callable[..., Outcome], *args: Any) -> Outcome:
    """Make the outcome in a thread, for the store may be slow, or away."""
    outcome, _ = await _aside(tell, *args)
    return cast("Outcome", outcome)


async def _aside(function: Callable[..., Any], *args: Any) -> tuple[Any, BaseException | None]:
    """Run `function` in a thread, to its end: what is being stored is not left half-way. Return an interrupt, too."""
    future = asyncio.ensure_future(asyncio.to_thread(function, *args))
    interrupt: BaseException | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except (asyncio.CancelledError, *INTERRUPTS) as error:
            interrupt = error
    return future.result(), interrupt


def _unprepared(job: Job, error: BaseException) -> Outcome:
    info = str(error_info(error))
    detail = f"{type(error).__name__}: {said(error)}"
    if isinstance(error, Exception) and not isinstance(error, MemoryError):
        return Outcome(REJECTED, Verdict.BURY, reason=f"cannot be run: {detail}", detail=detail, traceback=info)
    # No memory, or the end of the process: the message is not to blame, and has not been run.
    return Outcome(FAILURE, Verdict.REQUEUE, reason=detail, detail=detail, traceback=info)


def job_from_message(message: Any, *, eager: bool = False) -> Job:
    """Return the job that a worker would make of a `Message`; `eager` marks its request as run in the sender."""
    from kernelq.job import Job

    info: Mapping[str, Any] = {
        "exchange": message.exchange,
        "routing_key": message.routing_key or message.queue,
        "queue": message.queue,
        "priority": message.priority,
        "redelivered": False,
    }
    headers = message.headers
    hard, soft = headers.get("timelimit") or (None, None)
    return Job(
        id=0,
        task=headers["task"],
        task_id=message.id,
        headers=headers,
        body=message.body,
        properties=message.properties,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        delivery_info={**info, "is_eager": True} if eager else info,
        soft=soft,
        hard=hard,
    )
