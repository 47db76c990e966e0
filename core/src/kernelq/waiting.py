"""How a result is waited for: one loop for threads and one for coroutines, over the same steps."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.exceptions import TimeoutError

if TYPE_CHECKING:
    from kernelq.kernel.contracts.backend import ResultBackend

Waiting = Generator[Sequence[str], Mapping[str, bytes], Any]
"""Says which ids it waits for, takes the payloads that are ready, returns its value in the end."""


def drive(steps: Waiting, backend: ResultBackend, timeout: float | None, what: str) -> Any:
    """Take `steps` to their end; return their value. Raises `TimeoutError` after `timeout` seconds, naming `what`."""
    ended = None if timeout is None else time.monotonic() + timeout
    try:
        ids = next(steps)
        while True:
            ready = backend.wait(ids, left(ended))
            if not ready:
                check_time(ended, timeout, what)
            ids = steps.send(ready)
    except StopIteration as end:
        return end.value


async def adrive(steps: Waiting, backend: ResultBackend, timeout: float | None, what: str) -> Any:
    """Do as `drive` without blocking the event loop."""
    ended = None if timeout is None else time.monotonic() + timeout
    try:
        ids = next(steps)
        while True:
            ready = await backend.wait_async(ids, left(ended))
            if not ready:
                check_time(ended, timeout, what)
            ids = steps.send(ready)
    except StopIteration as end:
        return end.value


def left(ended: float | None) -> float | None:
    """Return the seconds until `ended` (monotonic), at least 0; None means for ever."""
    return None if ended is None else max(0.0, ended - time.monotonic())


def check_time(ended: float | None, timeout: float | None, what: str) -> None:
    """Raise `TimeoutError` once `ended` is past."""
    if ended is not None and time.monotonic() >= ended:
        raise TimeoutError(f"no result within {timeout} seconds: {what}")
