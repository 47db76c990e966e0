"""Commands about the pool."""

from __future__ import annotations

from typing import Any

from kernelq.command import control_command
from kernelq.kernel.keys import Context
from kernelq.keys import POOL


@control_command()
def pool_grow(ctx: Context, n: int = 1) -> dict[str, str]:
    """Run n more tasks at a time."""
    if problem := _no_count(n):
        return problem
    pool = ctx[POOL]
    before = pool.concurrency
    if pool.grow(n) == before:
        return {"error": f"the pool {pool.info().get('implementation')} cannot grow"}
    return {"ok": "pool will grow"}


@control_command()
def pool_shrink(ctx: Context, n: int = 1) -> dict[str, str]:
    """Run n tasks fewer at a time, and one at least; those that run end first."""
    if problem := _no_count(n):
        return problem
    pool = ctx[POOL]
    before = pool.concurrency
    if pool.shrink(n) == before:
        return {"error": f"the pool {pool.info().get('implementation')} cannot shrink: it runs {before} at a time"}
    return {"ok": "pool will shrink"}


@control_command()
def pool_restart(ctx: Context, modules: Any = None, reload: bool = False, reloader: Any = None) -> dict[str, str]:
    """Replace the processes that run tasks; what runs ends first."""
    if modules or reload:
        return {"error": "modules cannot be reloaded in a running worker: send it SIGHUP"}
    ctx[POOL].restart()
    return {"ok": "reload started"}


def _no_count(n: object) -> dict[str, str] | None:
    if isinstance(n, int) and not isinstance(n, bool) and n > 0:
        return None
    return {"error": f"n is a number of slots above 0, not {n!r}"}
