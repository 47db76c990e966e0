"""Whatever a task returns or raises, as text that can be logged and sent: bounded, and never raising."""

from __future__ import annotations

from typing import Any

from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.saferepr import saferepr

LIMIT = 1024
"""Characters."""

_PLAIN = frozenset({int, float, bool, type(None)})


def shown(value: Any, limit: int = LIMIT) -> str:
    """Return the repr of `value`, at most `limit` characters; what cannot be shown is named by its type."""
    try:
        if type(value) in _PLAIN:
            return str(value)[:limit]
        text = saferepr(value, limit)
    except SoftTimeLimitExceeded:  # it comes from outside, at any line
        raise
    except Exception:  # noqa: BLE001 - a value's own methods may do anything
        text = f"<{type(value).__name__} that cannot be shown>"
    return sendable(text[:limit])


def said(value: Any, limit: int = LIMIT) -> str:
    """Return ``str(value)`` in the same manner."""
    try:
        text = str(value)
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # noqa: BLE001 - a value's own methods may do anything
        text = f"<{type(value).__name__} that cannot be shown>"
    return sendable(text if len(text) <= limit else text[: max(0, limit - 3)] + "...")


def sendable(text: str) -> str:
    """Return `text` with lone surrogates escaped: they could be written to no socket."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
