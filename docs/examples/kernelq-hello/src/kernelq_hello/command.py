"""A control command: ``kernelq inspect hello``."""

from __future__ import annotations

from typing import Any

from kernelq.command import inspect_command
from kernelq.kernel.keys import Context
from kernelq_hello.greeter import GREETING


@inspect_command()
def hello(ctx: Context, loud: bool = False) -> dict[str, Any]:
    """Ask the worker for its greeting, loud or not."""
    greeting = ctx.get(GREETING)
    text = greeting.text() if greeting is not None else "nobody is here to greet"
    return {"ok": text.upper() if loud else text}
