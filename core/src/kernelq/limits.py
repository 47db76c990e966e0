"""What a message may have at most; beyond it there is an error at the sender, and the dead set at the consumer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

MAX_HEADER_BYTES = 64 * 1024
"""Bytes of the headers, as JSON."""
MAX_DEPTH = 64
"""Levels of nesting, of headers and of bodies."""
MAX_ID = 255
"""Characters of a task id, all of them printable."""
LATEST = 253_402_300_800.0
"""Seconds since the epoch at which the year 10000 begins: no eta or expiry is later."""


def headers_problem(raw: bytes, headers: Mapping[str, Any], beside: int = 0) -> str | None:
    """Return what is wrong with headers that were read from the JSON `raw`, or None; `beside` bytes of it are others'.

    Told by the bytes alone for nearly every message: it has few brackets, so it cannot be deep.
    """
    if len(raw) - beside > MAX_HEADER_BYTES:
        return f"its headers have {len(raw) - beside} bytes, {MAX_HEADER_BYTES} are allowed"
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and is_deep(headers):
        return f"its headers are nested deeper than {MAX_DEPTH} levels"
    return None


def is_deep(value: Any) -> bool:
    """Tell whether a value is nested deeper than `MAX_DEPTH`; without recursion, so that none is too deep to ask."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def is_id(value: Any) -> TypeGuard[str]:
    """Tell whether a value can be a task id."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isprintable()
