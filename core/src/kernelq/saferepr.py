"""How arguments are shown in events and logs: a repr of bounded length and depth, as Celery makes it.

The text goes over the wire (headers argsrepr and kwargsrepr), so it is the same to the byte as celery/utils/saferepr.py
makes it: numbers by str, text in single quotes with nothing escaped but the quote, three levels of nesting.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from numbers import Number
from typing import Any

LIMIT = 1024
MAXLEVELS = 3
_PLAIN = frozenset({int, float, bool, type(None)})


def saferepr(value: Any, maxlen: int = LIMIT, maxlevels: int = MAXLEVELS) -> str:
    """Return `value` as text of about `maxlen` characters, at most `maxlevels` levels deep."""
    text = _short(value, maxlen, maxlevels)
    if text is not None and len(text) < maxlen:  # nothing was left out, so the way below gives the same
        return text
    writer = _Writer(maxlen, maxlevels)
    try:
        writer.value(value)
    except _Full:
        writer.parts.append(", ...")
        writer.parts.extend(reversed(writer.open))
    return "".join(writer.parts)


def safestr(value: Any, limit: int = LIMIT) -> str:
    """Return ``str(value)``, at most `limit` characters of it, whatever its ``__str__`` does."""
    try:
        return str(value)[:limit]
    except Exception as error:  # noqa: BLE001 - a broken __str__ must not hide what happened
        return f"<{type(value).__name__} whose __str__ raises {type(error).__name__}>"


def _short(value: Any, left: int, levels: int) -> str | None:
    """Return the repr of plain and small values at the price of one, or None where it takes the long way."""
    kind = type(value)
    if kind is str:
        return "'" + (value.replace("'", "\\'") if "'" in value else value) + "'" if len(value) < left else None
    if kind in _PLAIN:
        return str(value)
    if levels < 1 or (kind is not tuple and kind is not list and kind is not dict) or len(value) > left:
        return None
    parts = []
    for item in value.items() if kind is dict else value:
        if kind is dict:
            key, shown = _short(item[0], left, MAXLEVELS), _short(item[1], left, levels - 1)
            part = None if key is None or shown is None else f"{key}: {shown}"
        else:
            part = _short(item, left, levels - 1)
        if part is None:
            return None
        left -= len(part)
        parts.append(part)
    inner = ", ".join(parts)
    if kind is tuple:
        return f"({inner},)" if len(parts) == 1 else f"({inner})"
    return f"[{inner}]" if kind is list else f"{{{inner}}}"


class _Full(Exception):
    """The text is as long as it may be."""


class _Writer:
    """Writes one value piece by piece and stops when `left` characters are used up."""

    def __init__(self, left: int, maxlevels: int) -> None:
        self.parts: list[str] = []
        self.left = left
        self.maxlevels = maxlevels
        self.open: list[str] = []
        """What closes the containers that are open now, outermost first."""
        self._seen: set[int] = set()

    def value(self, value: Any) -> None:
        """Write any value."""
        if isinstance(value, str | bytes):
            self._room()
            self._put(_quoted(value, self.left))
        elif isinstance(value, Number):
            self._text(str(value) if type(value).__name__ != "Decimal" else _repr(value))
        elif isinstance(value, set | frozenset) and not value:
            self._text(f"{type(value).__name__}()")
        elif isinstance(value, tuple | list | dict | set | frozenset):
            self._container(value)
        else:
            self._text(_repr(value))

    def _container(self, value: Any) -> None:
        start, end = _brackets(value)
        if self.maxlevels and len(self.open) >= self.maxlevels:
            self._room()
            self._put(f"{start}...{end}")
        elif id(value) in self._seen:
            self._text(f"<Recursion on {type(value).__name__} with id={id(value)}>")
        else:
            self._room()
            self._put(start)
            self.open.append(end)
            self._seen.add(id(value))
            self._items(value)
            self._seen.discard(id(value))
            self.open.pop()
            self.parts.append(end)  # a closing bracket is written even where there is no room
            self.left -= len(end)

    def _items(self, value: Iterable[Any]) -> None:
        keyed = isinstance(value, Mapping)
        for number, item in enumerate(value):
            if number:
                self._room()
                self._put(", ")
            if keyed:
                self._room()
                self._put(saferepr(item, self.left, self.maxlevels))
                self._room()
                self._put(": ")
                self.value(value[item])  # type: ignore[index]  # a mapping
            else:
                self.value(item)

    def _room(self) -> None:
        if self.left <= 0:
            raise _Full

    def _text(self, text: str) -> None:
        self._room()
        self._put(_cut(text, self.left))

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self.left -= len(text)


def _brackets(value: Any) -> tuple[str, str]:
    if isinstance(value, set | frozenset):
        return ("{", "}") if type(value) is set else (f"{type(value).__name__}({{", "})")
    if isinstance(value, tuple):
        return ("(", ",)") if len(value) == 1 else ("(", ")")
    return ("{", "}") if isinstance(value, dict) else ("[", "]")


def _cut(text: str, length: int) -> str:
    return text[:length].rsplit(" ", 1)[0] + "..." if len(text) >= length else text


def _quoted(value: str | bytes, length: int) -> str:
    if isinstance(value, str):
        return "'" + _cut(value, length).replace("'", "\\'") + "'"
    if len(value) > length:
        return f"b'{_bytes(value[:length])}...'"
    return f"b'{_bytes(value)}'"


def _bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not stop a send
        where = "\n".join(traceback.format_stack(limit=3))
        return f"<Unrepresentable {type(value)!r}{id(value):#x}: {error!r} {where!r}>"
