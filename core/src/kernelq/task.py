"""A task: a function with a name, an app to send it through, and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from kernelq.context import TaskRequest, current, running
from kernelq.signature import Signature

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.exceptions import Retry
    from kernelq.result import AsyncResult, EagerResult

P = ParamSpec("P")
R = TypeVar("R")


class _FromConf:
    """An option that a setting gives where neither the task nor its class does."""

    def __init__(self, setting: str) -> None:
        self.setting = setting

    def __get__(self, task: Task[..., Any] | None, owner: type) -> Any:
        return self if task is None else getattr(task.app.conf, self.setting)


def _from_conf(setting: str) -> Any:
    return _FromConf(setting)


class Task(Generic[P, R]):
    """A task. ``@app.task`` makes one of a function; subclass it for `base=` or for `KernelQ.register_task`.

    A task is one object for all its calls: what belongs to one call is in `request`.
    """

    app: KernelQ
    name: str = ""
    typing: bool = True
    """Whether the arguments are checked against the function's signature when they are sent."""
    max_retries: int | None = 3
    default_retry_delay: float = 180
    """Seconds."""
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_kwargs: Mapping[str, Any] = {}
    retry_backoff: bool | float = False
    """True, or the seconds of the first delay; it doubles with every retry."""
    retry_backoff_max: float = 600
    """Seconds."""
    retry_jitter: bool = True
    rate_limit: str | None = _from_conf("task_default_rate_limit")
    time_limit: float | None = _from_conf("task_time_limit")
    soft_time_limit: float | None = _from_conf("task_soft_time_limit")
    ignore_result: bool = _from_conf("task_ignore_result")
    store_errors_even_if_ignored: bool = _from_conf("task_store_errors_even_if_ignored")
    serializer: str = _from_conf("task_serializer")
    compression: str | None = None
    acks_late: bool = _from_conf("task_acks_late")
    acks_on_failure: bool = True
    acks_on_timeout: bool = True
    reject_on_worker_lost: bool | None = _from_conf("task_reject_on_worker_lost")
    track_started: bool = _from_conf("task_track_started")
    throws: tuple[type[BaseException], ...] = ()
    """Exceptions that are expected: logged without a traceback."""
    expires: float | datetime | None = None
    """Seconds from the sending, or a time."""
    priority: int | None = _from_conf("task_default_priority")
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    trail: bool = True
    """Whether the results of the tasks that it sends are kept as its children."""
    send_events: bool = True
    """Whether workers tell monitors how it goes on, where they send task events."""
    resultrepr_maxsize: int = 1024
    """Characters."""
    strategy: str = "default"

    run: Callable[P, R]
    _check: Callable[[tuple[Any, ...], Mapping[str, Any]], None] | None = None

    @property
    def request(self) -> TaskRequest:
        """What the running call may know of itself; empty where it is not running."""
        request = current()
        return request if request is not None and request.get("task") == self.name else TaskRequest()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, here and now."""
        request = TaskRequest()
        request.task, request.args, request.kwargs = self.name, args, kwargs
        request.outer = current()  # type: ignore[attr-defined]  # lasts as long as the call
        with running(request):
            return self.run(*args, **kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send it with these arguments. Raises as `apply_async` does."""
        return self.app._send(self, args, kwargs, {})

    def apply_async(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[R]:
        """Send it.

        Options: `countdown` (seconds), `eta` (datetime, without a time zone in the app's), `expires` (seconds or
        datetime), `retry`, `retry_policy`, `queue`, `exchange`, `routing_key`, `priority` (0 to 9, 9 the most urgent),
        `serializer`, `compression`, `headers`, `link`, `link_error`, `task_id`, `shadow`, `ignore_result`, `time_limit`
        and `soft_time_limit` (seconds), `root_id`, `parent_id`, `reply_to`, `group_id`.

        Raises TypeError for arguments that the function does not take and for unknown options,
        `kernelq.kernel.errors.BrokerUnreachable` within ``broker_connection_timeout`` seconds.
        """
        return self.app._send(self, args if args is not None else (), kwargs if kwargs is not None else {}, options)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Do as `delay` without blocking the event loop."""
        return await self.aapply_async(args, kwargs)

    async def aapply_async(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[R]:
        """Do as `apply_async` without blocking the event loop."""
        return await self.app._publisher.couriers.send(lambda: self.apply_async(args, kwargs, **options))

    def apply(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> EagerResult[R]:
        """Run it in this process through the executor of a worker, with its retries and links; no broker is asked.

        `options` are those of `apply_async`, and `throw`: raise the task's error (default ``task_eager_propagates``).
        """
        from kernelq.eager import apply

        self.check_arguments(tuple(args or ()), kwargs or {})
        return apply(self, tuple(args or ()), dict(kwargs or {}), options)

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """Return a signature with these arguments; it takes the result of the task before it first."""
        return self.signature(args, kwargs)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature:
        """Return a signature with these arguments and no others."""
        return self.signature(args, kwargs, immutable=True)

    def signature(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, *,
        immutable: bool = False, **options: Any,
    ) -> Signature:  # fmt: skip
        """Return a signature with arguments and options of `apply_async`."""
        return Signature.of(self, args, kwargs, options, immutable)

    def retry(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """End this run and have the task run again, by default after `default_retry_delay` seconds.

        Raises `kernelq.exceptions.Retry` (or returns it, for ``raise self.retry(throw=False)``); where the retries are
        used up, `exc`, or without it `kernelq.exceptions.MaxRetriesExceededError`.
        """
        from kernelq.retry import decide

        decision = decide(
            self, self.request, args=None if args is None else tuple(args), kwargs=kwargs, exc=exc,
            countdown=countdown, eta=eta, max_retries=max_retries, **options,
        )  # fmt: skip
        if throw:
            raise decision from exc
        return decision

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None, **_: Any) -> None:
        """Store a state of your own, with `meta` as its result; by default of the call that runs.

        Raises `kernelq.exceptions.NoResultBackend` where results are not kept.
        """
        from kernelq.customstate import store_state

        store_state(self.app, task_id or self.request.id, state or "PENDING", meta, self.request)

    def send_event(self, type_: str, *, retry: bool = True, retry_policy: Any = None, **fields: Any) -> None:
        """Tell monitors something of the running task: ``send_event("task-progress", done=3)``.

        `retry` and `retry_policy` are Celery's, and change nothing. Raises `kernelq.kernel.errors.Unreachable` where
        there is no broker, and what the serializer raises for fields that it cannot write.
        """
        with self.app.events.default_dispatcher(hostname=self.request.hostname) as dispatcher:
            dispatcher.send(type_, uuid=self.request.id, **fields)

    def AsyncResult(self, task_id: str) -> AsyncResult[R]:
        """Return the result of one of its calls, by id."""
        return cast("AsyncResult[R]", self.app.AsyncResult(task_id))

    def shadow_name(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> str | None:
        """Override it: the name that events and logs show for a call, instead of the task's."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Override it: called in the host before each run."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Override it: called in the host when it has returned."""

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Override it: called in the host when it has raised."""

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Override it: called in the host when it is to be retried."""

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Override it: called in the host after a run that ended in success or failure."""

    def check_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise TypeError, with the signature, where the function does not take these arguments."""
        check = self._check
        if check is None:
            check = self._check = _checker(self) if self.typing else _take_all
        check(args, kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"the task {self.name} cannot be pickled; send its name, or a signature of it")

    def __repr__(self) -> str:
        return f"<task {self.name} of {self.app!r}>"


def _take_all(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Check nothing."""


def _checker(task: Task[..., Any]) -> Callable[[tuple[Any, ...], Mapping[str, Any]], None]:
    try:
        signature = inspect.signature(task.run)
    except (TypeError, ValueError):  # a builtin that does not tell
        return _take_all
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    places = [
        one
        for one in signature.parameters.values()
        if one.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    needed = sum(one.default is one.empty for one in places)
    if any(one.kind is one.KEYWORD_ONLY and one.default is one.empty for one in signature.parameters.values()):
        needed = -1  # positions alone are never enough
    allowed = 1 << 30 if inspect.Parameter.VAR_POSITIONAL in kinds else len(places)

    def check(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if not kwargs and 0 <= needed <= len(args) <= allowed:  # binding costs 3 µs, this nothing
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{task.name}{signature}: {error}") from None

    return check


def option_names(base: type[Task[..., Any]]) -> frozenset[str]:
    """Return the options that a task of class `base` understands: its public attributes that are no methods."""
    return (
        frozenset(
            name
            for cls in base.__mro__
            for name in (*vars(cls), *vars(cls).get("__annotations__", {}))
            if not name.startswith("_") and not callable(getattr(base, name, None)) and name not in _NO_OPTIONS
        )
        | _HANDLERS
    )


_HANDLERS = frozenset({"shadow_name", "before_start", "on_success", "on_failure", "on_retry", "after_return"})
_NO_OPTIONS = frozenset({"app", "request", "run", "name"})


def task_of(
    app: KernelQ,
    function: Callable[..., Any],
    base: type[Task[..., Any]],
    name: str,
    bind: bool,
    options: Mapping[str, Any],
) -> Task[..., Any]:
    """Return the task of a function: an instance of `base` that runs it."""
    handlers = {key: value for key, value in options.items() if key in _HANDLERS}
    if handlers:
        base = type(base.__name__, (base,), {**handlers, "__module__": base.__module__})
    task = base()
    task.app = app
    task.name = name
    task.run = MethodType(function, task) if bind else function
    task.__name__ = getattr(function, "__name__", name)  # type: ignore[attr-defined]  # as functools.wraps does
    task.__doc__ = function.__doc__
    task.__module__ = function.__module__
    task.__wrapped__ = function  # type: ignore[attr-defined]  # as functools.wraps does
    for option, value in options.items():
        if option not in handlers:
            setattr(task, option, value)
    return task
