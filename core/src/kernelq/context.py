"""The running task's request: what `Task.request` shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelq.job import Job

_DEFAULTS: Mapping[str, Any] = {
    "chord": None,
    "chain": None,
    "callbacks": None,
    "errbacks": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "hostname": None,
    "ignore_result": None,
    "is_eager": False,
    "called_directly": True,
    "logfile": None,
    "loglevel": None,
    "origin": None,
    "parent_id": None,
    "retries": 0,
    "replaced_task_nesting": 0,
    "root_id": None,
    "shadow": None,
    "stamped_headers": None,
    "stamps": None,
    "taskset": None,
    "timelimit": None,
    "utc": True,
    "argsrepr": None,
    "kwargsrepr": None,
    "id": None,
    "task": None,
    "args": None,
    "kwargs": None,
    "properties": None,
    "trail": True,
    "override_max_retries": None,
    "delivery_info": None,
}
_OWN = frozenset(_DEFAULTS) | {"lang", "compression"}


class TaskRequest:
    """What a running task may know of its call, with Celery's names; headers are read only when asked for.

    Attributes may be set: they last as long as the run. `headers` are the sender's own headers only.
    """

    id: str
    task: str
    args: Any
    kwargs: Any
    retries: int
    root_id: str | None
    parent_id: str | None
    hostname: str | None
    delivery_info: Mapping[str, Any]
    properties: Mapping[str, Any]
    called_directly: bool
    is_eager: bool
    callbacks: Any
    errbacks: Any
    chain: Any
    chord: Any
    group: str | None
    group_index: int | None
    ignore_result: bool | None
    timelimit: Any
    stamps: Any
    stamped_headers: Any
    trail: bool
    override_max_retries: int | None

    def __init__(self, wire: Mapping[str, Any] | None = None) -> None:
        self.wire: Mapping[str, Any] = wire or {}
        """The message's headers as they came."""
        self.children_or_none: list[Any] | None = None

    @classmethod
    def of(cls, job: Job, args: Any, kwargs: Any, embed: Mapping[str, Any] | None, hostname: str) -> TaskRequest:
        """Return the request of a job whose body has been decoded into `args`, `kwargs` and `embed`."""
        request = cls.__new__(cls)
        request.__dict__ = values = {
            "wire": job.headers,
            "children_or_none": None,
            "id": job.task_id,
            "task": job.task,
            "args": args,
            "kwargs": kwargs,
            "hostname": hostname,
            "called_directly": False,
            "properties": job.properties,
            "delivery_info": job.delivery_info,
        }
        if embed:
            values.update(embed)
        if "is_eager" in job.delivery_info:
            values["is_eager"] = True
        return request

    def __getattr__(self, name: str) -> Any:
        if name[:2] != "__":
            wire = self.__dict__.get("wire")
            if wire is not None:
                value = wire.get(name)
                if value is not None:
                    return value
                if name in _DEFAULTS:
                    return _DEFAULTS[name]
                if name in wire:
                    return None
        raise AttributeError(f"the task's request has no {name!r}")

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or `default`."""
        return getattr(self, name, default)

    @property
    def headers(self) -> dict[str, Any]:
        """The sender's own headers."""
        return {key: value for key, value in self.wire.items() if key not in _OWN}

    @property
    def correlation_id(self) -> str | None:
        """The message's correlation id; the task id, as a rule."""
        correlation_id: str | None = (self.properties or {}).get("correlation_id", self.id)
        return correlation_id

    @property
    def reply_to(self) -> str | None:
        """Where an RPC result goes."""
        reply_to: str | None = (self.properties or {}).get("reply_to")
        return reply_to

    @property
    def time_limit(self) -> float | None:
        """Hard time limit of this call in seconds, or None."""
        return self.timelimit[0] if self.timelimit else None

    @property
    def soft_time_limit(self) -> float | None:
        """Soft time limit of this call in seconds, or None."""
        return self.timelimit[1] if self.timelimit else None

    @property
    def children(self) -> list[Any]:
        """The results of the tasks that this task has sent."""
        if self.children_or_none is None:
            self.children_or_none = []
        return self.children_or_none

    def __repr__(self) -> str:
        return f"<TaskRequest {self.get('task')}[{self.get('id')}]>"


_current: ContextVar[TaskRequest | None] = ContextVar("kernelq_task", default=None)


def current() -> TaskRequest | None:
    """Return the request of the task that runs in this context (thread, greenlet, coroutine), or None."""
    return _current.get()


@contextmanager
def running(request: TaskRequest | None) -> Iterator[None]:
    """Make `request` the current one; None hides the current one."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def add_child(result: Any) -> None:
    """Note that the running task, if one runs here, has sent `result`'s task."""
    request = _current.get()
    if request is not None and request.trail:
        request.children.append(result)
