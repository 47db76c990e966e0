"""Task messages: protocol 2 as Celery sends it, to the byte (celery/app/amqp.py, docs/internals/protocol.rst)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from kernelq import serialization
from kernelq.context import TaskRequest, current
from kernelq.forks import after_fork
from kernelq.ids import Ids, checked_id
from kernelq.kernel.errors import KernelQError, did_you_mean
from kernelq.limits import headers_problem
from kernelq.message import Message, Outline
from kernelq.nodenames import anon_nodename
from kernelq.routing import Destination, Routing
from kernelq.saferepr import LIMIT, saferepr
from kernelq.signature import as_list

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.task import Task

OPTIONS = frozenset(
    {
        "add_to_parent",
        "argsrepr",
        "chain",
        "chord",
        "compression",
        "countdown",
        "delivery_mode",
        "eta",
        "exchange",
        "expires",
        "group_id",
        "group_index",
        "headers",
        "ignore_result",
        "kwargsrepr",
        "link",
        "link_error",
        "origin",
        "parent_id",
        "priority",
        "queue",
        "replaced_task_nesting",
        "reply_to",
        "retries",
        "retry",
        "retry_policy",
        "root_id",
        "routing_key",
        "serializer",
        "shadow",
        "soft_time_limit",
        "stamped_headers",
        "task_id",
        "time_limit",
    }
)
"""What `apply_async` understands beside args and kwargs."""

TASK_OPTIONS = (
    "queue", "exchange", "routing_key", "priority", "expires", "serializer", "compression", "time_limit",
    "soft_time_limit",
)  # fmt: skip
"""Those whose default is the task's attribute of the same name."""

_NO_EMBED = ', {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'

_HEADERS: Mapping[str, Any] = {
    "lang": "py",
    "task": None,
    "id": None,
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": None,
    "root_id": None,
    "parent_id": None,
    "argsrepr": None,
    "kwargsrepr": None,
    "origin": None,
    "ignore_result": None,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}
"""Those of a message without options, in Celery's order."""


class MessageTooLarge(KernelQError, ValueError):
    """The body has more bytes than the setting ``max_message_bytes`` allows, or the headers more than they may."""


@attrs.frozen
class _Plan:
    """What every plain message of one task has in common."""

    destination: Destination
    outline: Outline


class Messages:
    """Makes the messages of one app. Thread-safe: what it remembers may be computed twice, never half."""

    def __init__(self, app: KernelQ) -> None:
        self._app = app
        self._version = -1
        after_fork(self._forget)  # to ask for the process id at each message would be a system call, 0.3 µs

    def plain(self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Message:
        """Return the message of a call without options, the short way where there is one."""
        self._refresh()
        plans = self._plans  # asked for before the plan is made: one made of old settings never gets among new ones
        plan = plans.get(task.name)
        if plan is None:
            plan = plans[task.name] = self._plan(task)
        if plan is False:
            return self.build(task.name, args, kwargs, {"ignore_result": task.ignore_result}, task)
        task_id = self._ids.new()
        root_id, parent_id = task_id, None
        to, outline = plan.destination, plan.outline
        parent = running_request()
        if parent is not None:
            if self._inherit and not outline.priority and self._priority(None, parent):
                return self.build(task.name, args, kwargs, {"ignore_result": task.ignore_result}, task)
            root_id, parent_id = parent.root_id or parent.id, parent.id
        try:
            body = f"{serialization.to_json((args, kwargs))[:-1]}{_NO_EMBED}".encode()
        except (TypeError, ValueError, RecursionError):
            body = self._body(task.name, "json", (args, kwargs, None))[2]  # raises what a person can read
        if len(body) > self._max_bytes:
            self._too_large(task.name, body)
        argsrepr = saferepr(args, LIMIT, self._levels) if args else repr(args)
        kwargsrepr = saferepr(kwargs, LIMIT, self._levels) if kwargs else "{}"
        return Message(
            task_id, None, body, None, to.queue, to.exchange, to.routing_key, "application/json", "utf-8",
            outline.priority, None, None, outline, (root_id, parent_id, argsrepr, kwargsrepr, self._app.thread_oid),
        )  # fmt: skip

    def build(
        self,
        name: str,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        task: Task[..., Any] | None = None,
    ) -> Message:
        """Return the message of a call.

        Raises TypeError for unknown options and for arguments of the wrong shape, `ValueError` for values out of range,
        `EncodeError` for arguments that the serializer cannot write, `QueueNotFound`, `MessageTooLarge`.
        """
        self._refresh()
        args, kwargs = args if args is not None else (), kwargs if kwargs is not None else {}
        if not isinstance(args, list | tuple):
            raise TypeError(f"the args of {name} must be a list or a tuple, not {args!r}")
        if not isinstance(kwargs, Mapping):
            raise TypeError(f"the kwargs of {name} must be a mapping, not {kwargs!r}")
        check_options(name, options)
        if task is not None:
            options = {**self._defaults(task), **options}
        if task is not None and not options.get("shadow") and _shadows(task):
            options = {**options, "shadow": task.shadow_name(args, kwargs, options)}
        stamps = {header: options[header] for header in options.get("stamped_headers") or ()}
        options = self._routing.options(options, name, args, kwargs, task)
        return self._assemble(name, args, kwargs, options, stamps)

    def message(
        self, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Message:
        """Return the message of a call by the task's name, with the defaults of the task where the app has it.

        Nothing is sent. Raises as `build` does.
        """
        task = self._app._tasks.get(name)
        if task is not None:
            options.setdefault("ignore_result", task.ignore_result)
        return self.build(name, args, kwargs, options, task)

    def _assemble(self, name: str, args: Any, kwargs: Any, options: dict[str, Any], stamps: dict[str, Any]) -> Message:
        get = options.get
        task_id = checked_id(get("task_id")) or self._ids.new()
        root_id, parent_id = get("root_id"), get("parent_id")
        parent = running_request() if not root_id or not parent_id else None
        if parent is not None:
            root_id, parent_id = root_id or parent.root_id or parent.id, parent_id or parent.id
        to = self._routing.destination(options)
        priority = self._priority(get("priority"), parent)
        eta, eta_at = self._eta(options)
        expires, expires_at = self._moment(get("expires"), "expires")
        headers: dict[str, Any] = {
            **_HEADERS,
            "task": name,
            "id": task_id,
            "shadow": get("shadow"),
            "eta": eta,
            "expires": expires,
            "group": get("group_id"),
            "group_index": get("group_index"),
            "retries": get("retries", 0),
            "timelimit": [get("time_limit"), get("soft_time_limit")],
            "root_id": root_id or task_id,
            "parent_id": parent_id,
            "argsrepr": get("argsrepr") or saferepr(args, LIMIT, self._levels),
            "kwargsrepr": get("kwargsrepr") or saferepr(kwargs, LIMIT, self._levels),
            "origin": get("origin") or self._origin,
            "ignore_result": get("ignore_result"),
            "replaced_task_nesting": get("replaced_task_nesting", 0),
            "stamped_headers": get("stamped_headers"),
            "stamps": stamps,
        }
        if get("headers") or stamps:
            headers.update(get("headers") or {})
            self._check_headers(name, headers)
        properties = {
            "correlation_id": task_id,
            "reply_to": get("reply_to") or self._app.thread_oid,
            "delivery_mode": to.delivery_mode,
            "priority": priority,
        }
        if expires_at is not None:
            properties["expiration"] = str(int(self._ttl(task_id, get("expires"), expires_at) * 1000))
        embed = {
            "callbacks": as_list(get("link")),
            "errbacks": as_list(get("link_error")),
            "chain": get("chain"),
            "chord": get("chord"),
        }
        serializer = get("serializer") or self._serializer
        content_type, encoding, body = self._body(name, serializer, (args, kwargs, embed))
        compression = get("compression") or self._compression
        if len(body) > self._max_bytes:
            self._too_large(name, body)
        if compression:
            body, headers["compression"] = serialization.compress(body, compression)
        return Message(
            task_id, headers, body, properties, to.queue, to.exchange, to.routing_key, content_type, encoding,
            priority, eta_at, expires_at,
        )  # fmt: skip

    def _body(self, name: str, serializer: str, body: tuple[Any, ...]) -> tuple[str, str, bytes]:
        try:
            return serialization.dumps(body, serializer, self._app.discovery)
        except serialization.EncodeError as error:
            raise serialization.EncodeError(
                f"the arguments of {name} cannot be sent: {error}; send plain values, or choose another serializer"
            ) from error

    def _check_headers(self, name: str, headers: Mapping[str, Any]) -> None:
        problem = headers_problem(serialization.encode_json(headers), headers)
        if problem is not None:
            raise MessageTooLarge(f"the message of {name} cannot be sent: {problem}")

    def _too_large(self, name: str, body: bytes) -> None:
        raise MessageTooLarge(
            f"the arguments of {name} take {len(body)} bytes, {self._max_bytes} are allowed: "
            f"send a reference to the data, or raise the setting max_message_bytes"
        )

    def _priority(self, given: Any, parent: TaskRequest | None) -> int:
        if given is None and parent is not None and self._inherit:
            given = (parent.delivery_info or {}).get("priority")
        if given is None:
            return 0
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 9:
            raise ValueError(f"a priority is a number from 0 to 9, 9 the most urgent, not {given!r}")
        return given

    def _eta(self, options: Mapping[str, Any]) -> tuple[str | None, float | None]:
        countdown = options.get("countdown")
        if countdown:
            return self._moment(float(countdown), "countdown")
        eta = options.get("eta")
        if eta is not None and not isinstance(eta, str | datetime):
            raise TypeError(f"eta is a datetime, not {eta!r}; for seconds from now there is countdown")
        return self._moment(eta, "eta")

    def _moment(self, given: Any, what: str) -> tuple[str | None, float | None]:
        """Return a time as its header and as seconds since the epoch; numbers are seconds from now."""
        if given is None:
            return None, None
        if isinstance(given, timedelta):
            given = given.total_seconds()
        if isinstance(given, str):
            text, when = given, datetime.fromisoformat(given)
        elif isinstance(given, datetime):
            text, when = given.isoformat(), given
        elif isinstance(given, int | float) and not isinstance(given, bool):
            try:
                when = self._app.now() + timedelta(seconds=given)
            except (OverflowError, ValueError):
                raise ValueError(f"{what} is out of range: {given!r} seconds") from None
            text = when.isoformat()
        else:
            raise TypeError(f"{what} is a datetime or a number of seconds, not {given!r}")
        if when.tzinfo is None:  # the header stays as it is: a worker takes it in the app's time zone too
            when = when.replace(tzinfo=self._app.timezone)
        return text, when.timestamp()

    def _ttl(self, task_id: str, given: Any, expires_at: float) -> float:
        seconds: float = given if isinstance(given, int | float) else expires_at - self._app.now().timestamp()
        if seconds < 0:
            import logging

            logging.getLogger("kernelq.app").warning(
                "task %s expired %.3f seconds before it was sent; it will not run", task_id, -seconds
            )
            return 0.0
        return seconds

    def _refresh(self) -> None:
        """Compute anew what a change of settings, signals or of the process has made stale."""
        conf = self._app.conf
        if self._version == conf.version:
            return
        self._routing = Routing(conf)
        self._plans: dict[str, _Plan | Any] = {}
        self._given: dict[str, dict[str, Any]] = {}
        self._ids = Ids()
        self._origin = anon_nodename()
        self._levels = conf.task_repr_maxlevels
        self._inherit = conf.task_inherit_parent_priority
        self._serializer = conf.task_serializer
        self._compression = conf.task_compression
        self._max_bytes = conf.max_message_bytes
        self._version = conf.version

    def _forget(self) -> None:
        self._version = -1  # names and random numbers are each process's own

    def _defaults(self, task: Task[..., Any]) -> dict[str, Any]:
        """Return the options that the task itself gives to each of its calls."""
        known = self._given
        if task.name not in known:
            known[task.name] = {key: value for key in TASK_OPTIONS if (value := getattr(task, key)) is not None}
        return known[task.name]

    def _plan(self, task: Task[..., Any]) -> Any:
        """Return the plan of a task's plain messages, or False where each call has to be looked at."""
        given = self._defaults(task)
        if not self._routing.routes.static or _shadows(task):
            return False
        options = self._routing.options(given, task.name, task=task)
        serializer = options.get("serializer") or self._serializer
        compression = options.get("compression") or self._compression
        special = set(options) - {*TASK_OPTIONS, "delivery_mode"} or options.get("expires") is not None
        if serializer != "json" or compression or special:
            return False
        to = self._routing.destination(options)
        limits = [options.get("time_limit"), options.get("soft_time_limit")]
        headers = {**_HEADERS, "task": task.name, "timelimit": limits, "origin": self._origin}
        headers["ignore_result"] = task.ignore_result
        return _Plan(to, Outline(headers, to.delivery_mode, self._priority(options.get("priority"), None)))


def _shadows(task: Task[..., Any]) -> bool:
    from kernelq.task import Task

    return type(task).shadow_name is not Task.shadow_name


def running_request() -> TaskRequest | None:
    """Return the request of the task that a worker runs in this context, also inside a task called directly by it."""
    request = current()
    while request is not None and request.called_directly:
        request = request.get("outer")
    return request


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise TypeError where an option of `apply_async` is unknown."""
    if not options.keys() <= OPTIONS:
        stamps = options.get("stamped_headers") or ()
        for option in sorted(options.keys() - OPTIONS - set(stamps)):
            raise TypeError(
                f"{name}: apply_async has no option {option!r}.{did_you_mean(option, OPTIONS)} "
                f"The task's own keyword arguments go into kwargs={{…}}"
            )
