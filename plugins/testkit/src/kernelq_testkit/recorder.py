"""What happened, and waiting for what is to happen."""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from functools import wraps
from typing import Any

import attrs

from kernelq.kernel.hooks import NAMES, hookimpl
from kernelq.kernel.hookspecs import DECISIONS


@attrs.frozen
class Seen:
    """One event that a hook told."""

    name: str
    arguments: dict[str, Any]


class SignalRecorder:
    """Remembers every event of an app's hooks, in order, and lets a test wait for them. Safe from any thread.

    It sees the events of the process that it is in: those of a task only where the task runs in this process.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: list[Seen] = []

    @property
    def seen(self) -> list[Seen]:
        """Everything so far."""
        with self._changed:
            return list(self._seen)

    def of(self, name: str) -> list[Seen]:
        """Return the events of one name."""
        return [each for each in self.seen if each.name == name]

    def wait(self, name: str, times: int = 1, timeout: float = 30.0) -> list[Seen]:
        """Wait until the event `name` has been seen `times` times; return them.

        Raises AssertionError, with what was seen instead, after `timeout` seconds.
        """
        if name not in NAMES:
            raise ValueError(f"there is no hook {name!r}")
        with self._changed:
            came = self._changed.wait_for(lambda: self._count(name) >= times, timeout)
        if not came:
            counts = Counter(each.name for each in self.seen)
            shown = ", ".join(f"{count} {other}" for other, count in sorted(counts.items())) or "nothing"
            raise AssertionError(f"{name} was to come {times} times within {timeout} s; seen: {shown}")
        return self.of(name)

    def plugin(self) -> object:
        """Return the hook implementations that record; ``app.register(recorder.plugin())``."""
        return type("Recording", (), {name: staticmethod(self._hook(name)) for name in sorted(NAMES - DECISIONS)})()

    def _count(self, name: str) -> int:
        return sum(each.name == name for each in self._seen)

    def _note(self, name: str, arguments: dict[str, Any]) -> None:
        with self._changed:
            self._seen.append(Seen(name, arguments))
            self._changed.notify_all()

    def _hook(self, name: str) -> Any:
        """Return an implementation with the hook's own argument names: pluggy passes what the signature asks for."""
        from kernelq.kernel import hookspecs

        specification = getattr(hookspecs, name)
        names = list(inspect.signature(specification).parameters)

        @wraps(specification)  # pluggy reads the names of the arguments from what is wrapped
        def record(*values: Any) -> None:
            self._note(name, dict(zip(names, values, strict=True)))

        return hookimpl(record)
