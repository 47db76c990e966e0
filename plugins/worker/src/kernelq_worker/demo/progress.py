"""Waiting for many results with a progress bar, and doing something at half of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kernelq.kernel.contracts.backend import ResultBackend
from kernelq.kernel.errors import Unreachable

PATIENCE = 30.0  # seconds without a single new result before the demo says that something is wrong


def gather(
    backend: ResultBackend, task_ids: Sequence[str], console: Console, at_half: Callable[[], None]
) -> dict[str, dict[str, Any]]:
    """Return the stored meta of every task, by id, calling `at_half` once on the way."""
    done: dict[str, dict[str, Any]] = {}
    missing = set(task_ids)
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, expand=True) as progress:
        bar = progress.add_task("counting words", total=len(task_ids))
        while missing:
            arrived = _next(backend, sorted(missing))
            done.update(arrived)
            missing -= arrived.keys()
            progress.update(bar, completed=len(done))
            if len(done) * 2 >= len(task_ids) and at_half is not None:
                at_half()
                at_half = _nothing
    return done


def _next(backend: ResultBackend, missing: Sequence[str]) -> dict[str, dict[str, Any]]:
    began = time.monotonic()
    arrived = backend.wait(missing, PATIENCE)
    if not arrived:
        raise Unreachable(f"no result for {time.monotonic() - began:.0f} s; {len(missing)} tasks are open")
    return {task_id: json.loads(payload) for task_id, payload in arrived.items()}


def _nothing() -> None:
    """Stand in for `at_half` when it has been called."""
