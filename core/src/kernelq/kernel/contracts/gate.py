"""Gate: who may start now."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from kernelq.outcome import Outcome
    from kernelq.request import Request


class Admission(Enum):
    """A gate's answer."""

    ADMIT = "start it; the gate counts it until `release`"
    HOLD = "keep it until `release` of another request of the same key"


@attrs.frozen
class Defer:
    """A gate's answer: try again after `seconds`; the message waits in the broker."""

    seconds: float


class Gate(Protocol):
    """Admits requests by key: the object behind an entry point of the group ``kernelq.gates``.

    The entry point is a callable ``(settings: Settings) -> Gate``. Gates are combined with AND, and live in the
    supervisor: every call takes microseconds. A key function that raises leaves the request ungated and is logged.
    """

    name: str

    def key(self, request: Request) -> Hashable | None:
        """Return what the request is counted under; None passes ungated."""

    def admit(self, request: Request) -> Admission | Defer:
        """Decide; called again for a held request each time its key has room."""

    def release(self, request: Request, outcome: Outcome | None) -> None:
        """Free what `admit` counted, however the request ended; None when its worker was lost. Idempotent."""

    def info(self) -> dict[str, Any]:
        """Return a JSON-able dict: keys with what runs and what is held, at most the 100 fullest."""
