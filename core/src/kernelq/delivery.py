"""What a lane hands to the worker, and how the worker hands it back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from kernelq.outcome import Record


@attrs.define(eq=False)
class Delivery:
    """A message that came from a queue and is in flight under this worker's lease. Its body is undecoded."""

    tag: Any
    """The lane's own receipt, unique for each delivery; opaque to everyone else."""
    queue: str
    headers: Mapping[str, Any]
    """Decoded headers. Without the key ``task`` the message is not a protocol 2 task."""
    body: bytes
    properties: Mapping[str, Any]
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    deliveries: int = 1
    """How many owners have had it, this one included, as the broker counted. Above 1, it runs alone.

    The first lost owner always counts; a further one only if it had begun the message (`Lane.begin`).
    """


class Verdict(IntEnum):
    """How a delivery ends."""

    ACK = 1
    """Done; delete it."""
    REQUEUE = 2
    """Back to its queue, ready, as the next to be taken."""
    DEFER = 3
    """Back to its queue, to be delivered after `Settlement.eta`."""
    BURY = 4
    """Into the dead set, with `Settlement.reason`."""


@attrs.define(eq=False)
class Settlement:
    """The end of one delivery."""

    delivery: Delivery
    verdict: Verdict
    eta: float | None = None
    """DEFER: seconds since the epoch."""
    reason: str = ""
    """BURY: a sentence that tells why."""
    counted: bool = False
    """REQUEUE and DEFER: whether the broker's delivery counter rises, because the task's host was lost."""
    record: Record | None = None
    """A result to be stored in the same transaction; only where `Lane.commits` said that it can."""


@attrs.frozen
class QueueInfo:
    """A queue's counts of messages."""

    name: str
    ready: int
    in_flight: int
    delayed: int
    dead: int


@attrs.frozen
class DeadLetter:
    """A buried message."""

    id: str
    """The dead set's own id, as `kernelq dead show` takes it."""
    task_id: str
    task: str
    queue: str
    reason: str
    buried_at: float
    """Seconds since the epoch."""
    deliveries: int
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    body: bytes
    content_type: str
    content_encoding: str
