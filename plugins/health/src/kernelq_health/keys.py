"""The key of this plugin's step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq.kernel.keys import Key

if TYPE_CHECKING:
    from kernelq_health.pulse import Pulse

PULSE: Key[Pulse] = Key("pulse", "what the loop notes of itself, for whoever asks how the worker is")
