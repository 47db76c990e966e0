"""Commands about the worker's own life."""

from __future__ import annotations

from kernelq.command import control_command
from kernelq.kernel.keys import Context
from kernelq.keys import WORKER


@control_command()
def shutdown(ctx: Context, msg: str = "command") -> dict[str, str]:
    """Let running tasks end, then stop the worker."""
    ctx[WORKER].shutdown("warm")
    return {"ok": "shutting down"}
