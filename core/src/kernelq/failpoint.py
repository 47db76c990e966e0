"""Failpoints: a fault that a test orders, by the environment, at one step between publish and acknowledge.

``KERNELQ_FAILPOINT=before_settle:3:kill`` kills the process that is about to settle a third batch. Where nothing is
ordered there is nothing: what `around` is given comes back as it is, so the path of a task has not even a test for it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from kernelq.kernel.errors import ConfigurationError, did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE = "KERNELQ_FAILPOINT"

POINTS = {
    "before_publish": "a process sends messages",
    "after_publish": "the broker has them, and the caller has not been told",
    "after_claim": "the worker has messages of the broker, all unread",
    "before_submit": "it has decided on them",
    "after_submit": "they are with the pool",
    "before_begin": "a redelivered message is about to run",
    "after_begin": "the broker knows that",
    "before_execute": "a host is about to call the task",
    "after_execute": "the task has returned",
    "before_store": "its result is about to be stored, where that is no part of the settlement",
    "after_store": "its result is stored",
    "before_follow": "the worker is about to publish what ended tasks have sent on: retries, links",
    "after_follow": "that is published",
    "before_settle": "the worker is about to settle",
    "after_settle": "the broker has settled",
}
"""The steps from publish to acknowledge, in order."""

ACTIONS = ("kill", "stop", "raise", "sleep")
SLEEP = 1.0
"""Seconds of ``sleep``."""


class FailpointReached(Exception):
    """What the action ``raise`` raises."""


@attrs.define
class _Failpoint:
    """Acts at the call of number `at`, counted in this process."""

    name: str
    at: int
    action: str
    calls: Any = attrs.field(factory=lambda: itertools.count(1))

    def reached(self) -> None:
        if next(self.calls) != self.at:
            return
        os.write(2, f"kernelq: failpoint {self.name}:{self.at}:{self.action} in process {os.getpid()}\n".encode())
        if self.action == "raise":
            raise FailpointReached(f"{self.name}, call {self.at}")
        if self.action == "sleep":
            time.sleep(SLEEP)
        else:
            os.kill(os.getpid(), signal.SIGKILL if self.action == "kill" else signal.SIGSTOP)


def around(function: F, before: str = "", after: str = "", environment: Mapping[str, str] = os.environ) -> F:
    """Return `function` with the faults ordered for the points named `before` and `after` it; else `function` itself.

    Call it once, when what calls `function` is made. Raises `ConfigurationError` where the order cannot be read.
    """
    ordered = environment.get(VARIABLE)
    if not ordered:
        return function
    points = {point.name: point for point in map(_read, ordered.split(","))}
    first, last = points.get(before), points.get(after)
    if first is None and last is None:
        return function
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            _reach(first)
            value = await function(*args, **kwargs)
            _reach(last)
            return value

        return awaited  # type: ignore[return-value]  # it takes and returns what `function` does

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        _reach(first)
        value = function(*args, **kwargs)
        _reach(last)
        return value

    return called  # type: ignore[return-value]  # it takes and returns what `function` does


def _reach(point: _Failpoint | None) -> None:
    if point is not None:
        point.reached()


def _read(ordered: str) -> _Failpoint:
    """Return the failpoint of ``name:action`` or ``name:n:action``."""
    name, _, rest = ordered.strip().partition(":")
    number, _, action = rest.rpartition(":")
    if name not in POINTS:
        raise ConfigurationError(f"{VARIABLE}: there is no failpoint {name!r}.{did_you_mean(name, POINTS)}")
    if action not in ACTIONS or not (number or "1").isdecimal() or number == "0":
        raise ConfigurationError(f"{VARIABLE}: {ordered!r} is not <name>[:n]:<action>, of {', '.join(ACTIONS)}")
    return _Failpoint(name, int(number or 1), action)
