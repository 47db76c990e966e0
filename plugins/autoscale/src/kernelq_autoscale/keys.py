"""The key of the autoscaler."""

from __future__ import annotations

from typing import Protocol

from kernelq.kernel.keys import Key


class Scaler(Protocol):
    """What the command `autoscale` sees of the step."""

    def update(self, most: int | None = None, least: int | None = None) -> tuple[int, int]:
        """Change the span, now; return (max, min). Raises ValueError where they do not fit each other."""


AUTOSCALER: Key[Scaler] = Key("autoscaler", "what grows and shrinks the pool", extra="autoscale")
