"""Orders to workers, and what came of them in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.cli.output import clean

if TYPE_CHECKING:
    from kernelq.app import KernelQ

PATIENCE = 2.0
"""Seconds that an answer is waited for."""


class Steering:
    """Gives orders and waits for answers; it blocks, so it is called in a thread."""

    def __init__(self, app: KernelQ) -> None:
        self._control = app.control

    def revoke(self, task_id: str) -> str:
        """Have a task not run."""
        return told(self._control.revoke(task_id, reply=True, timeout=PATIENCE))

    def terminate(self, task_id: str) -> str:
        """End a running task, and have it not run."""
        return told(self._control.terminate(task_id, reply=True, timeout=PATIENCE))

    def rate_limit(self, name: str, limit: str) -> str:
        """Limit how often tasks of a name start in each worker."""
        return told(self._control.rate_limit(name, limit, reply=True, timeout=PATIENCE))

    def enable_events(self) -> str:
        """Have workers tell of their tasks."""
        return told(self._control.enable_events(reply=True, timeout=PATIENCE))


def told(replies: Sequence[Mapping[str, Any]] | None) -> str:
    """Return what workers replied, in one line."""
    texts = []
    for reply in replies or ():
        for node, answer in reply.items():
            text = next(iter(answer.values()), "done") if isinstance(answer, Mapping) else answer
            texts.append(f"{node}: {clean(str(text))}")
    return "; ".join(sorted(texts)) or "no worker answered"
