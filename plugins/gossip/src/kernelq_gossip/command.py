"""The control command `election`."""

from __future__ import annotations

from typing import Any

from kernelq.command import control_command
from kernelq.kernel.keys import Context
from kernelq_gossip.keys import GOSSIP


@control_command()
def election(ctx: Context, id: str, topic: str, action: Any = None) -> dict[str, str]:
    """Hold an election, of an id that no other has; the one winner does the action that its topic stands for.

    The topic "task" sends the action, a signature.
    """
    cluster = ctx.get(GOSSIP)
    if cluster is None:
        return {"error": "this worker follows no others: it was started --without-gossip, or its broker cannot do it"}
    given: tuple[object, ...] = (id, topic)  # over the wire anything may come
    if not all(isinstance(one, str) for one in given):
        return {"error": "id and topic are text; usage: election ID TOPIC [ACTION]"}
    try:
        cluster.election(id, topic, action)
    except ValueError as error:
        return {"error": str(error)}
    return {"ok": f"election {id} is held"}
