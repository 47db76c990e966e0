"""Pickles of plain values, read without a chance to run anything."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

MARK = b"\x80"
"""What every pickle begins with that Celery has written; no JSON does."""

_PLAIN = frozenset(
    {
        "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET",
        "BINGET", "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1",
        "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES",
        "BINBYTES", "BINBYTES8", "EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2",
        "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET",
    }
)  # fmt: skip
"""Instructions that make and fill containers. None of them looks up a name or calls anything."""


class NotPlain(ValueError):
    """The pickle holds more than plain values, or is none."""


class _Plain(pickle.Unpickler):
    """Finds no class: a second wall behind the list of instructions."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Refuse."""
        raise NotPlain(f"it names {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse."""
        raise NotPlain("it names something outside itself")


def loads(data: bytes) -> Any:
    """Return the plain value that `data` holds. Raises `NotPlain` before anything but containers is made of it."""
    try:
        for instruction, _, _ in pickletools.genops(data):
            if instruction.name not in _PLAIN:
                raise NotPlain(f"it has the instruction {instruction.name}")
        return _Plain(io.BytesIO(data)).load()
    except NotPlain:
        raise
    except Exception as error:  # noqa: BLE001 - malformed pickles raise errors of many kinds
        raise NotPlain(f"it is malformed: {type(error).__name__}") from None


def dumps(value: Any) -> bytes:
    """Return a plain value pickled, as every Celery reads it."""
    return pickle.dumps(value, protocol=4)
