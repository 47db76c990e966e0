"""A loss: a job that was handed to a host and has no outcome."""

from __future__ import annotations

from enum import Enum

import attrs


class LossKind(Enum):
    """Why there is no outcome; what becomes of the delivery follows from it."""

    CRASH = "its host ended while it had the job: return the delivery, counted"
    NEIGHBOUR = "its host was ended because of another job: return the delivery, uncounted"
    HARD_LIMIT = "it ran beyond its hard time limit: it failed"
    TERMINATED = "it was ended by command: it is revoked"
    STOPPED = "it still ran when the worker's time to stop was over: return the delivery, uncounted"
    UNSENDABLE = "it cannot be written to a host: count the delivery, so that it is buried"


@attrs.frozen
class Loss:
    """One lost job."""

    kind: LossKind
    cause: str
    """A sentence for logs, results and the dead set: ``hard time limit of 5 s exceeded``."""
    started: bool = False
    """Whether its host had said that it ran (reports take up to 10 ms)."""
    signum: int | None = None
    """The signal that ended the host, or that a command asked for."""

    @property
    def hard_limit(self) -> bool:
        """Whether it ran beyond its hard time limit."""
        return self.kind is LossKind.HARD_LIMIT

    @property
    def counted(self) -> bool:
        """Whether the loss may be the job's own doing, so that the delivery counter is to rise."""
        return self.kind in (LossKind.CRASH, LossKind.HARD_LIMIT, LossKind.UNSENDABLE)


NEIGHBOUR = Loss(LossKind.NEIGHBOUR, "its host was ended because of another task")
