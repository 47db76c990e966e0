"""The key of the courier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq.kernel.keys import Key

if TYPE_CHECKING:
    from kernelq_events.courier import Courier

COURIER: Key[Courier | None] = Key("courier", "what carries events to the broker, None without fan-out", extra="events")
