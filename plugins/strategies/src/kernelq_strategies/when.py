"""Points in time as Celery writes them in headers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

Clock = Callable[[Any], float]


def clock_of(zone: tzinfo = UTC) -> Clock:
    """Return the function that reads a header's time as seconds since the epoch.

    A time without an offset is of `zone`, the app's time zone: Celery's workers take it so, although the protocol page
    says UTC (celery/worker/strategy.py). It raises ValueError where the header holds no time.
    """

    def seconds(value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp()

    return seconds


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no ISO 8601 time")
    return value
