"""Signatures: a task with its arguments and options, as data that can be sent; and chains of them.

The shape on the wire is Celery's (celery/canvas.py): a dict with the keys task, args, kwargs, options, subtask_type and
immutable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.result import AsyncResult
    from kernelq.task import Task

S = TypeVar("S", bound="Signature")

_KEPT = frozenset({"group_id", "stamped_headers"})
"""Options that a later merge does not replace."""


class Signature(dict[str, Any]):
    """One call of a task: its name, arguments and options. A dict, so that every serializer can write it."""

    _app: KernelQ | None
    _task: Task[Any, Any] | None

    def __init__(
        self,
        task: str | Task[Any, Any] | Mapping[str, Any],
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        subtask_type: str | None = None,
        immutable: bool = False,
        app: KernelQ | None = None,
        **more: Any,
    ) -> None:
        self._app, self._task = app, None
        if isinstance(task, Mapping):
            super().__init__(task)
            return
        if not isinstance(task, str):
            self._task = task
            self._app = app or task.app
            task = task.name
        super().__init__(
            {
                "task": task,
                "args": tuple(args) if args else (),
                "kwargs": dict(kwargs) if kwargs else {},
                "options": {**options, **more} if options else more,
                "subtask_type": subtask_type,
                "immutable": immutable,
            }
        )

    @classmethod
    def of(cls, task: Task[Any, Any], args: Any, kwargs: Any, options: dict[str, Any], immutable: bool) -> Signature:
        """Return the signature of a task, in half the time of the constructor: for sending in bulk."""
        made = cls.__new__(cls)
        made._app, made._task = task.app, task
        made["task"], made["args"], made["kwargs"] = task.name, tuple(args or ()), dict(kwargs or {})
        made["options"], made["subtask_type"], made["immutable"] = options, None, immutable
        return made

    @property
    def task(self) -> str:
        """The task's name."""
        return self["task"]  # type: ignore[no-any-return]  # what was put there

    name = task

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments that are given already."""
        return tuple(self["args"])

    @args.setter
    def args(self, value: Iterable[Any]) -> None:
        self["args"] = tuple(value)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments that are given already."""
        return self["kwargs"]  # type: ignore[no-any-return]  # what was put there

    @property
    def options(self) -> dict[str, Any]:
        """The options of `apply_async` that are given already."""
        return self["options"]  # type: ignore[no-any-return]  # what was put there

    @property
    def immutable(self) -> bool:
        """Whether the result of the task before is left out of the arguments."""
        return bool(self.get("immutable"))

    @property
    def app(self) -> KernelQ:
        """The app that sends it."""
        if self._app is None:
            raise RuntimeError(
                f"the signature of {self.task} belongs to no app: make it with app.signature({self.task!r}) "
                f"or with the task's own .s()"
            )
        return self._app

    def clone(self: S, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> S:
        """Return a copy with `args` before its own, and `kwargs` and `options` over its own."""
        new_args, new_kwargs, new_options = self._merge(args, kwargs, options)
        copy = type(self).__new__(type(self))
        dict.__init__(copy, self)
        copy._app, copy._task = self._app, self._task
        copy.update(args=tuple(new_args), kwargs=dict(new_kwargs), options=deepcopy(dict(new_options)))
        return copy

    def set(self: S, immutable: bool | None = None, **options: Any) -> S:
        """Set options in place and return the signature itself."""
        if immutable is not None:
            self["immutable"] = immutable
        self.options.update(options)
        return self

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Send it, with `args` before its own."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Send it, with `args` before its own; `options` as in `Task.apply_async`."""
        new_args, new_kwargs, new_options = self["args"], self["kwargs"], self["options"]
        if args or kwargs or options:
            new_args, new_kwargs, new_options = self._merge(args, kwargs, options)
        task = self._task
        if task is None:
            task = self.app._tasks.get(self["task"])
        if task is not None:
            return task.apply_async(new_args, new_kwargs, **new_options)
        return self.app.send_task(self.task, new_args, new_kwargs, **new_options)

    async def adelay(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Do as `delay` without blocking the event loop."""
        return await self.aapply_async(args, kwargs)

    async def aapply_async(
        self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Do as `apply_async` without blocking the event loop."""
        return await self.app._publisher.couriers.send(lambda: self.apply_async(args, kwargs, **options))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task's function here and now."""
        new_args, new_kwargs, _ = self._merge(args, kwargs, {})
        return self.type(*new_args, **new_kwargs)

    def apply(self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run it in this process, as a worker would."""
        new_args, new_kwargs, new_options = self._merge(args, kwargs, options)
        return self.type.apply(new_args, new_kwargs, **new_options)

    @property
    def type(self) -> Task[Any, Any]:
        """The task itself. Raises NotRegistered where the app has none of this name."""
        return self._task if self._task is not None else self.app.tasks[self.task]

    def link(self, callback: Signature) -> Signature:
        """Send `callback` with the result when the task has succeeded; return the callback."""
        return self._append("link", callback)

    def link_error(self, errback: Signature) -> Signature:
        """Send `errback` when the task has failed; return the errback."""
        return self._append("link_error", errback)

    def on_error(self: S, errback: Signature) -> S:
        """Do as `link_error`, and return the signature itself."""
        self.link_error(errback)
        return self

    def freeze(
        self,
        task_id: str | None = None,
        *,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_id: str | None = None,
        group_index: int | None = None,
        chord: Any = None,
    ) -> AsyncResult[Any]:
        """Give it its task id, so that its result can be named before it is sent."""
        options = self.options
        tid = options.get("task_id")
        if tid is None:
            tid = options["task_id"] = task_id or self.app.new_id()
        if root_id:
            options["root_id"] = root_id
        if parent_id:
            options["parent_id"] = parent_id
        options.setdefault("reply_to", self.app.thread_oid)
        if group_id:
            options.setdefault("group_id", group_id)
        if chord:
            options["chord"] = chord
        if group_index is not None:
            options["group_index"] = group_index
        return self.app.AsyncResult(tid)

    def __or__(self, other: Any) -> chain:  # type: ignore[override]  # a signature's | chains, a dict's | merges
        """Return the chain of this and then `other`."""
        if not isinstance(other, Signature):
            return NotImplemented
        return chain(*self.steps(), *other.steps(), app=self._app or other._app)

    __ior__ = __or__

    def steps(self) -> list[Signature]:
        """Return what it adds to a chain: itself."""
        return [self]

    def _append(self, option: str, value: Signature) -> Signature:
        if value not in (items := as_list(self.options.get(option)) or []):
            items = [*items, value]
        self.options[option] = items
        return value

    def _merge(
        self, args: Iterable[Any], kwargs: Mapping[str, Any] | None, options: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any], dict[str, Any]]:
        mine = self.options
        given = {k: v for k, v in options.items() if v is not None and (k not in _KEPT or k not in mine)}
        merged = {**mine, **given}
        if self.immutable:
            return self.args, self.kwargs, merged
        return (*args, *self.args), {**self.kwargs, **(kwargs or {})}, merged

    def __reduce__(self) -> tuple[Any, ...]:
        return plain, (dict(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        copy = memo[id(self)] = dict(self)
        copy["options"] = deepcopy(self.options, memo)
        return copy

    def __hash__(self) -> int:  # type: ignore[override]  # as any mutable thing that a set is to tell apart
        return id(self)

    def __repr__(self) -> str:
        words = [repr(value) for value in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.task}({', '.join(words)})"


class chain(Signature):
    """Tasks one after the other; each takes the result of the one before as its first argument, unless immutable."""

    def __init__(self, *tasks: Signature | Sequence[Signature], app: KernelQ | None = None, **options: Any) -> None:
        flat: list[Signature] = []
        for one in tasks:
            flat.extend([one] if isinstance(one, Signature) else list(one))
        first = next((one._app for one in flat if one._app is not None), None)
        super().__init__("celery.chain", (), {"tasks": tuple(flat)}, options, subtask_type="chain", app=app or first)

    @property
    def tasks(self) -> list[Signature]:
        """Its tasks, first to last."""
        return [signature(one, app=self._app) for one in self.kwargs["tasks"]]

    def steps(self) -> list[Signature]:
        """Return its tasks, each a copy; the chain's own links go to the last, its errbacks to all."""
        tasks = [one.clone() for one in self.tasks]
        for callback in as_list(self.options.get("link")) or []:
            tasks[-1].link(callback)
        for errback in as_list(self.options.get("link_error")) or []:
            for one in tasks:
                one.link_error(errback)
        return tasks

    def apply_async(
        self,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        link: Any = None,
        link_error: Any = None,
        group_id: str | None = None,
        group_index: int | None = None,
        chord: Any = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Send its first task, which carries the rest; return the result of the last.

        `args` go to the first task, `task_id` and `link` to the last, `link_error` to all, other options to the first.
        """
        mine = self.options
        frozen: dict[str, Any] = {
            "root_id": root_id or mine.get("root_id"),
            "group_id": group_id or mine.get("group_id"),
            "group_index": group_index if group_index is not None else mine.get("group_index"),
            "chord": chord or mine.get("chord"),
        }
        links = [*(as_list(mine.get("link")) or []), *(as_list(link) or [])]
        errbacks = [*(as_list(mine.get("link_error")) or []), *(as_list(link_error) or [])]
        tasks, results = self._prepare(args, kwargs, task_id or mine.get("task_id"), errbacks, **frozen)
        for callback in links:
            tasks[0].link(callback)
        rest = {key: value for key, value in {**mine, **options}.items() if key not in _OF_CHAIN}
        if parent_id:
            rest["parent_id"] = parent_id
        first = tasks.pop()
        sent = first.apply_async(chain=tasks, **rest)
        return results[0] if tasks else sent

    def _prepare(
        self,
        args: Iterable[Any],
        kwargs: Mapping[str, Any] | None,
        last_id: str | None,
        errbacks: Sequence[Any],
        *,
        root_id: str | None,
        **of_last: Any,
    ) -> tuple[list[Signature], list[AsyncResult[Any]]]:
        """Return its tasks and their results, both last to first, as the message carries them."""
        steps = [step for one in self.tasks for step in one.steps()]
        if not steps:
            raise ValueError("an empty chain has nothing to send")
        tasks: list[Signature] = []
        results: list[AsyncResult[Any]] = []
        for index in range(len(steps) - 1, -1, -1):
            step = steps[index].clone(*((args, kwargs) if index == 0 else ()))
            if not tasks:
                result = step.freeze(last_id, root_id=root_id, **of_last)
            else:
                result = step.freeze(root_id=root_id)
                results[-1].parent = result
            for errback in errbacks:
                step.link_error(errback)
            tasks.append(step)
            results.append(result)
        return tasks, results

    def apply(self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run its tasks one after the other in this process; return the last one's result."""
        result: Any = None
        for number, step in enumerate(step for one in self.tasks for step in one.steps()):
            given = tuple(args) if number == 0 else (result.get(),)
            earlier, result = result, step.apply(given, kwargs if number == 0 else None, **options)
            result.parent = earlier
        return result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send it."""
        return self.apply_async(args, kwargs)

    def __repr__(self) -> str:
        return " | ".join(repr(one) for one in self.tasks)


_OF_CHAIN = frozenset({"task_id", "root_id", "link", "link_error", "group_id", "group_index", "chord"})


def signature(value: Any, *args: Any, app: KernelQ | None = None, **options: Any) -> Signature:
    """Return a signature from a task's name, a task, a signature, or the dict that one is on the wire."""
    if isinstance(value, Signature):
        if value._app is None:
            value._app = app
        return value
    if isinstance(value, Mapping):
        made = _TYPES.get(value.get("subtask_type"), plain)(value)
        made._app = app
        return made
    return Signature(value, *args, app=app, **options)


def plain(value: Mapping[str, Any]) -> Signature:
    """Return the dict of a signature as one."""
    return Signature({"args": (), "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False, **value})


def _chain(value: Mapping[str, Any]) -> Signature:
    made = chain(*[signature(one) for one in value["kwargs"]["tasks"]])
    made.options.update(value.get("options") or {})
    return made


_TYPES: Mapping[str | None, Callable[[Mapping[str, Any]], Signature]] = {"chain": _chain}


def as_list(value: Any) -> list[Any] | None:
    """Return a list of what may be one thing, several, or None."""
    if value is None:
        return None
    return list(value) if isinstance(value, list | tuple) else [value]
