"""What the supervisor must know of a task: its options, as JSON carries them, without the code."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernelq.task import Task, option_names

if TYPE_CHECKING:
    from kernelq.app import KernelQ

Description = Mapping[str, Any]
"""``name``; ``options``: those that the task or its class sets; ``kept``: names of those that no JSON can carry."""


def describe(task: Task[..., Any]) -> Description:
    """Return the description of a task. None of its own code is run: properties are not read."""
    options: dict[str, Any] = {}
    kept: list[str] = []
    own = {name for name in vars(task) if not name.startswith("_")}
    for name in sorted((own | option_names(type(task))) - _NO_OPTIONS):
        value = inspect.getattr_static(task, name, _ABSENT)
        if _is_plain(value):
            options[name] = value
        elif not (value is _ABSENT or callable(value) or _is_computed(value)):
            kept.append(name)
    return json.loads(json.dumps({"name": task.name, "options": options, "kept": kept}))  # type: ignore[no-any-return]  # what went in


_NO_OPTIONS = {"app", "name", "run", "typing"}
_ABSENT = object()


class StandIn(Task[..., Any]):
    """A task that the supervisor knows and only the hosts have: it has options, and no code."""

    typing = False

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Raise RuntimeError: there is nothing to run here."""
        raise RuntimeError(f"the code of the task {self.name} was loaded by the worker's hosts, not by this process")


def stand_in(app: KernelQ, description: Description, before: Task[..., Any] | None = None) -> Task[..., Any]:
    """Return a task with the options of a description.

    What JSON could not carry is taken from the task `before`, the one of the same name that the process imported.
    """
    task = StandIn()
    task.app = app
    task.name = description["name"]
    for name, value in description["options"].items():
        setattr(task, name, value)
    for name in description["kept"]:
        if hasattr(before, name):
            setattr(task, name, getattr(before, name))
    return task


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _is_computed(value: Any) -> bool:
    # A property, or what reads a setting where a task leaves the option to that; a stand-in has the latter too.
    return hasattr(type(value), "__get__")
