"""The exceptions of tasks and of results, with Celery's names."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kernelq.kernel.errors import ConfigurationError, KernelQError


class TaskPredicate(KernelQError):
    """Raised by a task to tell what becomes of it; no error."""


class Retry(TaskPredicate):
    """The task is to run again. `Task.retry` makes it; `sig` is kept for Celery's sake.

    `when` is a datetime or seconds from now. `args`, `kwargs` and `options` are None where they stay as they are.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | None = None,
        when: datetime | float | None = None,
        is_eager: bool = False,
        sig: Any = None,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, exc, when)
        self.message = message
        self.exc = exc
        self.when = when
        self.is_eager = is_eager
        self.sig = sig
        self.task_args = args
        self.task_kwargs = kwargs
        self.options = dict(options or {})

    def __str__(self) -> str:
        when = f"in {self.when}s" if isinstance(self.when, int | float) else f"at {self.when}"
        what = self.message or (f"{type(self.exc).__name__}: {self.exc}" if self.exc is not None else "")
        return f"Retry {'now' if self.when is None else when}{': ' if what else ''}{what}"


class Ignore(TaskPredicate):
    """The task has ended, and no state of it is to be stored."""


class Reject(TaskPredicate):
    """The message goes back to its queue (`requeue`), or into the dead set with `reason`."""

    def __init__(self, reason: Any = None, requeue: bool = False) -> None:
        super().__init__(reason, requeue)
        self.reason = reason
        self.requeue = requeue

    def __str__(self) -> str:
        return f"Reject {'and requeue' if self.requeue else 'for good'}: {self.reason}"


class TaskError(KernelQError):
    """Something went wrong with a task."""


class InvalidTaskError(TaskError):
    """The message is no task message."""


class TaskRevokedError(TaskError):
    """The task was revoked, or had expired."""


class MaxRetriesExceededError(TaskError):
    """A retry was asked for, and `max_retries` are used up."""

    def __init__(self, *args: Any, task_args: Sequence[Any] = (), task_kwargs: Any = None) -> None:
        super().__init__(*args)
        self.task_args = task_args
        self.task_kwargs = dict(task_kwargs or {})


class NotRegistered(KeyError, TaskError):
    """No task has this name."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.args[0])!r})" if self.args else f"{type(self).__name__}()"


class IncompleteStream(TaskError):
    """The end of a stream of results is not there."""


class ChordError(KernelQError):
    """A part of a chord's header failed."""


class TimeoutError(KernelQError, builtins.TimeoutError):
    """The result was not there in time. It is a builtin `TimeoutError` too."""

    exit_code = 5


class SoftTimeLimitExceeded(Exception):
    """Raised inside a task when its soft time limit is reached, so that it can clean up."""

    def __str__(self) -> str:
        return f"SoftTimeLimitExceeded{self.args!r}"


class TimeLimitExceeded(Exception):
    """The hard time limit of a task was reached, and its host was ended."""

    def __str__(self) -> str:
        return f"TimeLimitExceeded{self.args!r}"


class TimeLimitInterrupt(BaseException):
    """Raised in a running task that is beyond its hard time limit, where its host runs other tasks too.

    No `Exception`, so that a task does not catch it by accident; the task ends as failed with `TimeLimitExceeded`.
    One that goes on nevertheless has its host replaced.
    """


INTERRUPTS = (SoftTimeLimitExceeded, TimeLimitInterrupt)
"""What is raised in a running job from outside; in a thread it may come at any line."""


class WorkerLostError(Exception):
    """The host that ran the task is gone."""


class Terminated(Exception):
    """The task was ended by a command."""


class ResultTooLarge(KernelQError):
    """A task's result is beyond the size limit of results."""


class NoResultBackend(ConfigurationError, NotImplementedError):
    """A result was asked for, and none is stored; the message tells which setting to type."""


class RemoteError(KernelQError):
    """A stored failure whose class is not imported here, or is no exception.

    `type` is the dotted name, `message` the text, `traceback` the text of the traceback or None.
    """

    def __init__(self, type: str, message: str, traceback: str | None = None) -> None:
        super().__init__(type, message, traceback)
        self.type = type
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type
