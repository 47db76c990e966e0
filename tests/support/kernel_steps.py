"""Small steps to build blueprints from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from kernelq.kernel.blueprint import Blueprint, Candidate
from kernelq.kernel.keys import Key
from kernelq.kernel.plan import Plan
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step


@attrs.define(slots=False, kw_only=True)
class NoSettings(Settings):
    """Settings without a single name."""


def a_key(name: str) -> Key[Any]:
    return Key(name, f"the {name}")


def a_step(
    name: str,
    *,
    requires: Sequence[Key[Any]] = (),
    wants: Sequence[Key[Any]] = (),
    provides: Sequence[Key[Any]] = (),
    after: Sequence[str] = (),
    before: Sequence[str] = (),
    enabled: bool | str = True,
    **members: Any,
) -> type[Step]:
    """Return a step class with these declarations; its start sets every key to the step's name."""

    def start(self: Step, ctx: Any) -> None:
        for key in provides:
            ctx[key] = name

    declared = {
        "name": name,
        "requires": tuple(requires),
        "wants": tuple(wants),
        "provides": tuple(provides),
        "after": tuple(after),
        "before": tuple(before),
        "enabled": classmethod(lambda cls, settings: enabled),
        "start": start,
    }
    return type(name, (Step,), declared | members)


def resolve(*steps: type[Step], given: Iterable[Key[Any]] = ()) -> Plan:
    return Blueprint("worker").resolve([Candidate(step.name, step) for step in steps], NoSettings(), given)
