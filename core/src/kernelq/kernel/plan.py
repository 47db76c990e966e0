"""A plan: a blueprint's steps, resolved; frozen data, the same bytes for the same inputs."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs

from kernelq.kernel.graph import Edge
from kernelq.kernel.step import Step


@attrs.frozen
class PlannedStep:
    """An enabled step with its place; keys by name."""

    name: str
    wave: int
    distribution: str
    version: str
    declared_at: str
    requires: tuple[str, ...]
    wants: tuple[str, ...]
    provides: tuple[str, ...]
    cls: type[Step] = attrs.field(eq=False)


@attrs.frozen
class Disabled:
    """A step that is off, and why."""

    name: str
    reason: str
    distribution: str
    version: str
    declared_at: str
    provides: tuple[str, ...] = ()


@attrs.frozen
class Plan:
    """What will be started, in what order, and why. Nothing has been started."""

    name: str
    steps: tuple[PlannedStep, ...]
    """In the order of starting."""
    waves: tuple[tuple[str, ...], ...]
    edges: tuple[Edge, ...]
    disabled: tuple[Disabled, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able data."""
        return attrs.asdict(self, filter=lambda field, _: field.name != "cls")

    def to_bytes(self) -> bytes:
        """Return the plan as canonical JSON."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """A SHA-256 of `to_bytes`, in hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()
