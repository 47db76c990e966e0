"""The tasks of one app, by name."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from kernelq.kernel.errors import ConfigurationError, did_you_mean
from kernelq.task import Task, option_names, task_of

if TYPE_CHECKING:
    from kernelq.app import KernelQ

T = TypeVar("T", bound=Task[..., Any])


class Registry:
    """Makes tasks and holds them. Thread-safe."""

    def __init__(self, app: KernelQ) -> None:
        self._app = app
        self.renew()
        self.tasks: dict[str, Task[..., Any]] = {}

    def renew(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is not here."""
        self._lock = threading.Lock()

    def add_function(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        base: type[Task[..., Any]] = Task,
        bind: bool = False,
        **options: Any,
    ) -> Task[..., Any]:
        """Make a task of a function and add it. Raises TypeError for unknown options, `ConfigurationError`."""
        known = option_names(base)
        for option in options:
            if option not in known:
                hint = did_you_mean(option, known)
                raise TypeError(f"a task of class {base.__name__} has no option {option!r}.{hint}")
        name = name or self.name(function.__name__, function.__module__)
        return self._add(task_of(self._app, function, base, name, bind, options))

    def add_object(self, task: T | type[T]) -> T:
        """Add a task that is an instance, or a class, with a `run`. Raises TypeError, `ConfigurationError`."""
        made: T = task() if isinstance(task, type) else task
        kind = type(made)
        made.app = self._app
        if not made.name:
            made.name = self.name(kind.__name__, kind.__module__)
        if not callable(getattr(made, "run", None)):
            raise TypeError(f"the task {made.name} ({kind.__qualname__}) has no method `run`")
        self._add(made)
        return made

    def name(self, name: str, module: str | None) -> str:
        """Return the automatic name of a task: module and function; the app's `main` for the script that is run."""
        if module in (None, "__main__"):
            module = self._app.main or _script_name()
        return f"{module}.{name}"

    def replace(self, tasks: Mapping[str, Task[..., Any]]) -> None:
        """Have these tasks and no others; whoever holds `tasks` sees it."""
        with self._lock:
            for name in self.tasks.keys() - tasks.keys():
                del self.tasks[name]
            self.tasks.update(tasks)

    def _add(self, task: Task[..., Any]) -> Task[..., Any]:
        with self._lock:
            there = self.tasks.get(task.name)
            if there is not None and _origin(there) != _origin(task):
                raise ConfigurationError(
                    f"two tasks are named {task.name!r}: {_origin(there)} and {_origin(task)}; "
                    f"give one of them a name of its own: @app.task(name=…)"
                )
            self.tasks[task.name] = task
            return task


def replace_tasks(app: KernelQ, tasks: Mapping[str, Task[..., Any]]) -> None:
    """Let `app` have these tasks and no others: for a supervisor whose hosts have imported newer code than itself."""
    app._registry.replace(tasks)


def _origin(task: Task[..., Any]) -> str:
    made_of: Any = getattr(task, "__wrapped__", type(task))
    return f"{made_of.__module__}.{made_of.__qualname__}"


def _script_name() -> str:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.splitext(os.path.basename(path))[0] if path else "__main__"
