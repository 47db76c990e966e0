"""Commands about the queues that are consumed."""

from __future__ import annotations

from typing import Any

from kernelq.command import control_command, inspect_command
from kernelq.kernel.keys import Context
from kernelq.keys import QUEUES


@inspect_command()
def active_queues(ctx: Context) -> list[dict[str, Any]]:
    """Ask for the queues that the worker consumes from."""
    return ctx[QUEUES].as_dicts()


@control_command()
def add_consumer(
    ctx: Context,
    queue: str,
    exchange: str | None = None,
    exchange_type: str | None = None,
    routing_key: str | None = None,
    **options: Any,
) -> dict[str, str]:
    """Consume from one queue more."""
    ctx[QUEUES].add(queue, exchange=exchange, exchange_type=exchange_type, routing_key=routing_key, **options)
    return {"ok": f"add consumer {queue}"}


@control_command()
def cancel_consumer(ctx: Context, queue: str) -> dict[str, str]:
    """Consume from a queue no longer."""
    try:
        ctx[QUEUES].cancel(queue)
    except KeyError:
        return {"error": f"not consuming from {queue}"}
    return {"ok": f"no longer consuming from {queue}"}
