"""The control command `autoscale`."""

from __future__ import annotations

from kernelq.command import control_command
from kernelq.kernel.keys import Context
from kernelq_autoscale.keys import AUTOSCALER


@control_command()
def autoscale(ctx: Context, max: int | None = None, min: int | None = None) -> dict[str, str]:
    """Let the pool grow to max and shrink to min slots; what is not given stays."""
    scaler = ctx.get(AUTOSCALER)
    if scaler is None:
        return {"error": "Autoscale not enabled: start the worker with --autoscale=MAX,MIN"}
    given: dict[str, object] = {"max": max, "min": min}  # over the wire anything may come
    for name, value in given.items():
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            return {"error": f"{name} is a number of slots, not {value!r}; usage: autoscale [MAX] [MIN]"}
    try:
        most, least = scaler.update(max, min)
    except ValueError as error:
        return {"error": f"{error}; usage: autoscale [MAX] [MIN]"}
    return {"ok": f"autoscale now max={most} min={least}"}
