"""The key of what a worker knows of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from kernelq.kernel.keys import Key

if TYPE_CHECKING:
    from kernelq.events.records import Worker


class Cluster(Protocol):
    """The other workers, as seen from here; of one connection, and used in the thread of the loop.

    Functions that are given to it are called there too, so they must not block. One that raises is logged, and the
    others are still called.
    """

    def members(self) -> list[Worker]:
        """Return the others that are alive, by name."""

    def on_join(self, function: Callable[[Worker], Any]) -> None:
        """Call `function` for each worker that joins, and for each that was there before this one, when it is seen."""

    def on_leave(self, function: Callable[[Worker], Any]) -> None:
        """Call `function` for each worker that says goodbye."""

    def on_lost(self, function: Callable[[Worker], Any]) -> None:
        """Call `function` for each worker that is silent for twice the interval of its heartbeats."""

    def on_election_won(self, topic: str, function: Callable[[Any], Any]) -> None:
        """Call `function` with the action of each election of this topic that this worker has won."""

    def election(self, id: str, topic: str, action: Any = None) -> None:
        """Stand for an election; all that are to have a chance must be told, as the command `election` tells them."""


GOSSIP: Key[Cluster] = Key("gossip", "what this worker knows of the others; consumer blueprint", extra="gossip")
