"""Orders of steps that networkx has found before: a start that finds its own here does not load it.

An order follows from the names of the steps and the edges between them, and from nothing else, so what is kept never
gets old. It is checked nevertheless: a file that is cut off is passed over, and who changes one can at most choose
among the orders that the edges allow.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from kernelq._version import __version__
from kernelq.kernel.graph import Edge
from kernelq.kernel.plan import Plan

log = logging.getLogger("kernelq.worker")


class Unknown(LookupError):
    """No order of these steps is kept, or it cannot be read."""


def folder() -> Path:
    """Return where orders are kept: ``kernelq/orders`` in ``$XDG_CACHE_HOME``, which is ``~/.cache`` by default.

    Raises RuntimeError where the user has no home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "kernelq", "orders").expanduser()


def recall(names: Iterable[str], edges: Sequence[Edge]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return what `kernelq.kernel.graph.sort` returned for the same names and edges once. Raises `Unknown`."""
    known, pairs = sorted(names), _pairs(edges)
    try:
        order, waves = json.loads((folder() / _digest(known, pairs)).read_bytes())
        _check(order, waves, known, pairs)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise Unknown(f"no order of {len(known)} steps is kept: {error}") from error
    return order, waves, []


def keep(plan: Plan) -> None:
    """Keep the order of `plan`, unless Python is not to write byte code either; where it cannot be, do without."""
    if sys.dont_write_bytecode:
        return
    order = [step.name for step in plan.steps]
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        (place / _digest(sorted(order), _pairs(plan.edges))).write_text(json.dumps([order, plan.waves]))
    except (OSError, RuntimeError) as error:
        log.debug("the order of the steps cannot be kept: %s", error)


def _pairs(edges: Iterable[Edge]) -> list[tuple[str, str]]:
    return sorted({(edge.before, edge.after) for edge in edges})


def _digest(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps([__version__, names, pairs]).encode()).hexdigest()


def _check(order: Any, waves: Any, names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> None:
    place = {name: number for number, name in enumerate(order)}
    wave = {name: number for number, wave in enumerate(waves) for name in wave}
    if not (names == sorted(order) == sorted(chain.from_iterable(waves))):
        raise ValueError("the file names other steps")
    if not all(place[one] < place[other] and wave[one] < wave[other] for one, other in pairs):
        raise ValueError("the file has an order that the edges forbid")
