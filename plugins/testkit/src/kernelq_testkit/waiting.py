"""Waiting for what will be, instead of sleeping and hoping."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.01
"""Seconds between two looks."""

VARIABLE = "KERNELQ_TEST_PATIENCE"
"""Names how many times longer than on a machine of their own tests wait before they give up; 1 by default."""


def patience(seconds: float) -> float:
    """Return how long a test that would give up after so many seconds waits on this machine.

    It is for waits that end when something happens, never for times that are promised. Raises ValueError where the
    environment has no number.
    """
    return seconds * float(os.environ.get(VARIABLE) or 1)


def eventually(condition: Callable[[], T], timeout: float = 30.0, *, wanted: str = "") -> T:
    """Return the first true value of `condition()`; look every `INTERVAL` seconds, for `timeout` seconds, or as much
    longer as `patience` says. An AssertionError raised by `condition` counts as false. At the end AssertionError
    says what was `wanted` and what the last value was. For things that tell when they happen, wait for the telling: the
    fixture ``signals``.
    """
    pause = threading.Event()  # never set: its wait is a sleep that a debugger and a fake clock can reach
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            value = condition()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            name = wanted or getattr(condition, "__name__", repr(condition))
            raise AssertionError(f"{name} was not so within {timeout} s; the last value was {last!r}")
        pause.wait(INTERVAL)
