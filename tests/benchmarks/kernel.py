"""Figures of the kernel alone: resolving plans, finding a cycle, importing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable

from kernelq.kernel.blueprint import Blueprint, Candidate
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import Cycle
from kernelq.kernel.keys import Key
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step


def figures() -> dict[str, float]:
    """Return all of them; each is the best of several runs, since nothing makes code quicker than it is."""
    many = _random_steps(1_000)
    ring = _ring(50)
    return {
        "1,000 steps resolved, ms": _best(lambda: Blueprint("many").resolve(many, Settings()), 3),
        "cycle of 50 found, ms": _best(lambda: _refused(ring), 5),
        "worker plans resolved, ms": _plans(),
        "import kernelq, ms beyond attrs": _import("import kernelq"),
        "from kernelq import KernelQ, ms beyond attrs": _import("from kernelq import KernelQ"),
    }


def _best(call: Callable[[], object], times: int) -> float:
    call()
    runs = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        runs.append(time.perf_counter() - start)
    return min(runs) * 1e3


def _random_steps(count: int) -> list[Candidate]:
    """Return steps that each require three keys of earlier ones."""
    dice = random.Random(1)
    keys: list[Key[int]] = [Key(f"key-{number}") for number in range(count)]
    found = []
    for number, key in enumerate(keys):
        needed = tuple(dice.sample(keys[:number], min(3, number)))
        found.append(Candidate(f"step-{number}", type(f"S{number}", (Step,), {"requires": needed, "provides": (key,)})))
    return found


def _ring(count: int) -> list[Candidate]:
    keys: list[Key[int]] = [Key(f"key-{number}") for number in range(count)]
    return [
        Candidate(f"step-{number}", type(f"R{number}", (Step,), {"requires": (keys[number - 1],), "provides": (key,)}))
        for number, key in enumerate(keys)
    ]


def _refused(ring: list[Candidate]) -> None:
    try:
        Blueprint("ring").resolve(ring, Settings())
    except Cycle:
        return
    raise AssertionError("a ring was resolved")


def _plans() -> float:
    """Return the time to resolve both blueprints as installed, their steps being loaded."""
    from kernelq import KernelQ

    with KernelQ("bench") as app:
        found = [Blueprint(name).discover(Discovery()) for name in ("worker", "consumer")]
        given = {key for steps in found for one in steps for key in (*one.cls.requires, *one.cls.wants)}
        given -= {key for steps in found for one in steps for key in one.cls.provides}
        inner = given | {key for one in found[0] for key in one.cls.provides}

        def resolve() -> None:
            Blueprint("worker").resolve(found[0], app.conf, given)
            Blueprint("consumer").resolve(found[1], app.conf, inner)

        return _best(resolve, 5)


def _import(statement: str) -> float:
    script = f"import attrs, time; s = time.perf_counter(); {statement}; print(time.perf_counter() - s)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", script]
    runs = [float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout) for _ in range(10)]
    return min(runs) * 1e3
