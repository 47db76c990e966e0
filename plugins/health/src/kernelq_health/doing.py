"""What a thread is at: seen from another thread, by its stack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Literal

CONTROL = ("kombu", "amqp")
"""What control commands and events go through, whatever carries the tasks."""
TASKS = frozenset({"kernelq.executor", "kernelq.tracer", "celery.app.trace"})
"""The modules that call tasks: within the supervisor only in the pool solo."""

Doing = Literal["task", "broker"]


def doing(thread: int, transport: str) -> Doing | None:
    """Tell whether `thread` runs a task, or waits for the broker within the package `transport`; None: neither is seen.

    Of the broker the innermost frame of KernelQ's own packages decides: what a transport calls back is not its doing.
    """
    modules = list(_modules(sys._current_frames().get(thread)))
    if not TASKS.isdisjoint(modules):
        return "task"
    for package in (module.partition(".")[0] for module in modules):
        if package == transport or package in CONTROL:
            return "broker"
        if package == "kernelq" or package.startswith("kernelq_"):
            return None
    return None


def _modules(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield str(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
