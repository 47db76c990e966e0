"""Rates as people write them: so many in a second, a minute or an hour."""

from __future__ import annotations

from kernelq.kernel.errors import BadSetting

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse(limit: str | int | float | None) -> float:
    """Return how many a second ``"10/m"``, ``"5/s"``, ``"100/h"`` or a number allows; 0 is no limit.

    Raises `BadSetting`.
    """
    if limit is None:
        return 0.0
    count, _, unit = str(limit).partition("/")
    try:
        return max(float(count), 0.0) / UNITS[unit.strip() or "s"]
    except (ValueError, KeyError):
        raise BadSetting(f"{limit!r} is no rate limit; write a number and s, m or h, like '10/m'") from None
