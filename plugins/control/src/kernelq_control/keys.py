"""The keys of the control plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kernelq.kernel.keys import Key

if TYPE_CHECKING:
    from collections import deque

    from kernelq_control.notes import Notes


class Neighbours(Protocol):
    """What is used here of that which the plugin `gossip` provides."""

    def members(self) -> Sequence[Any]:
        """Return the others that are alive; each has a `hostname`."""


NOTES: Key[Notes] = Key("notes", "revokes and paused queues of the whole cluster, as this worker sees them", "control")
GOSSIP: Key[Neighbours] = Key("gossip", "what this worker knows of the others; consumer blueprint", "gossip")
SAMPLES: Key[deque[str]] = Key("memory samples", "what memsample has seen, until memdump shows it", "control")
