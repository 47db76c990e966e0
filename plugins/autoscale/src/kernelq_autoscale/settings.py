"""Settings that this plugin adds."""

from __future__ import annotations

import attrs

from kernelq.kernel.settings import setting


def span(text: str) -> tuple[int, int]:
    """Return (max, min) of ``"10,2"``, the larger first in whatever order they come; ``"10"`` is from 1 to 10.

    A pool has at least one slot, so 0 is read as 1. Raises ValueError.
    """
    numbers = [int(word) for word in text.split(",")]
    if len(numbers) > 2 or min(numbers) < 0 or max(numbers) < 1:
        raise ValueError(text)
    return max(numbers), max(min(numbers), 1) if len(numbers) == 2 else 1


def _spans(text: str) -> str | None:
    try:
        span(text)
    except ValueError:
        return "write MAX,MIN, like 10,2: at least one slot, and two numbers at most"
    return None


def _not_negative(value: float) -> str | None:
    return None if value >= 0 else "it must not be below 0"


@attrs.define(slots=False)
class AutoscaleSettings:
    """How far the pool may grow and shrink, and how soon it shrinks."""

    worker_autoscale: str | None = setting(
        None,
        'how many tasks run at a time at most and at least, "MAX,MIN" ("MAX": from 1), as the load asks for; '
        "None: always worker_concurrency",
        check=_spans,
        option="--autoscale=MAX,MIN",
    )
    worker_autoscale_keepalive: float = setting(
        30.0, "seconds for which slots must have been of no use before the pool shrinks", check=_not_negative
    )
