"""Commands that limit tasks, until the worker ends."""

from __future__ import annotations

import re

from kernelq.command import control_command
from kernelq.kernel.keys import Context
from kernelq.keys import APP, STATE

RATE = re.compile(r"\d+(\.\d+)?(/[smh])?")


@control_command()
def rate_limit(ctx: Context, task_name: str, rate_limit: str | float) -> dict[str, str]:
    """Limit how often a task starts: 10/s, 10/m, 10/h; 0 lifts the limit."""
    if not RATE.fullmatch(str(rate_limit)):
        return {"error": f"Invalid rate limit string: {rate_limit!r}; write a number and s, m or h, like 10/m"}
    if task_name not in ctx[APP].tasks:
        return {"error": "unknown task"}
    ctx[STATE].rate_limits[task_name] = str(rate_limit)
    if float(str(rate_limit).partition("/")[0]) == 0:
        return {"ok": "rate limit disabled successfully"}
    return {"ok": "new rate limit set successfully"}


@control_command()
def time_limit(ctx: Context, task_name: str, soft: float | None = None, hard: float | None = None) -> dict[str, str]:
    """Limit how long a task may run, in seconds; it holds for tasks that start from now on."""
    for value in (hard, soft):
        if value is not None and (not _seconds(value)):
            return {"error": f"{value!r} is no number of seconds above 0"}
    if task_name not in ctx[APP].tasks:
        return {"error": "unknown task"}
    if hard is None and soft is None:
        return {"error": "no limit given: write hard, soft, or both"}
    ctx[STATE].time_limits[task_name] = (soft, hard)
    return {"ok": "time limits set successfully"}


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
