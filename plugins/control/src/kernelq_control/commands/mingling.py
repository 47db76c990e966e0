"""The command by which a starting worker greets its neighbours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import islice
from typing import Any

from kernelq.command import inspect_command
from kernelq.kernel.keys import Context
from kernelq.keys import APP, STATE, WORKER

log = logging.getLogger("kernelq.control")

MOST = 1000
"""Revoked ids in a reply, the newest. What was revoked before is in the store, which is asked at every fetch."""


@inspect_command()
def hello(ctx: Context, from_node: str, revoked: Any = None) -> dict[str, Any] | None:
    """Greet a worker that starts: take its revoked ids, return ours and the logical clock; one's own is not answered.

    The ids go out as a list, the oldest first, and come as that or as a mapping (celery/worker/control.py, ``hello``).
    """
    if from_node == ctx[WORKER].hostname:
        return None
    log.info("sync with %s", from_node)
    state = ctx[STATE]
    if isinstance(revoked, list | tuple | Mapping):
        fresh = [one for one in revoked if isinstance(one, str) and one not in state.revoked]
        if fresh:
            state.revoke(fresh)
    ours = list(islice(reversed(state.revoked), MOST))
    return {"revoked": ours[::-1], "clock": ctx[APP].clock.forward()}
