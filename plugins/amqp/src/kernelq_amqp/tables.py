"""Decoding the properties of a message: py-amqp's work (amqp/serialization.py), for the usual cases at a third of it.

A task message has some twenty headers, nearly all of them texts, nulls and small numbers under names that are always
the same. What is not usual here is left to py-amqp.
"""

from __future__ import annotations

from contextlib import suppress
from struct import Struct
from typing import Any

from amqp.serialization import decode_properties_basic, loads

from kernelq.limits import MAX_DEPTH, MAX_HEADER_BYTES, is_deep

HEADERS_ONLY = 0x2000
TEXTS = ((0x8000, "content_type"), (0x4000, "content_encoding"))
OCTETS = ((0x1000, "delivery_mode"), (0x0800, "priority"))
SHORT = ((0x0400, "correlation_id"), (0x0200, "reply_to"), (0x0100, "expiration"), (0x0080, "message_id"))
UNUSUAL = 0x007F
"""Flags of timestamp, type, user id, app id, cluster id, and of further flags."""

MOST_NAMES = 1024
"""Names of headers that are remembered; a sender with ever new ones costs time, not memory."""

_LONG = Struct(">I")
_SIGNED = Struct(">i")
_FLAGS = Struct(">H")

Properties = dict[str, Any]


def properties(header: bytes) -> Properties:
    """Decode what stands in a content header from the flags on. Raises ValueError for what no AMQP is, or too much."""
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"its headers have {len(header)} bytes, {MAX_HEADER_BYTES} are allowed")
    found = _decoded(header)
    levels = header.count(b"F") + header.count(b"A")  # each level of nesting has one of these letters
    if levels > MAX_DEPTH and is_deep(found.get("application_headers")):
        raise ValueError(f"its headers are nested deeper than {MAX_DEPTH} levels")
    return found


def _decoded(header: bytes) -> Properties:
    try:
        flags = _FLAGS.unpack_from(header)[0]
        if not flags & UNUSUAL:
            with suppress(UnicodeDecodeError):  # py-amqp reads some texts that are none, lone surrogates
                return _usual(header, flags)
        decoded: Properties = decode_properties_basic(header, 0)[0]
        return decoded
    except Exception as error:
        raise ValueError(f"its properties cannot be decoded: {type(error).__name__}: {error}") from error


def _usual(header: bytes, flags: int) -> Properties:
    found: Properties = {}
    at = 2
    for flag, name in TEXTS:
        if flags & flag:
            found[name], at = _text(header, at)
    if flags & HEADERS_ONLY:
        end = at + 4 + _LONG.unpack_from(header, at)[0]
        found["application_headers"] = _table(header, at + 4, end)
        at = end
    for flag, name in OCTETS:
        if flags & flag:
            found[name] = header[at]
            at += 1
    for flag, name in SHORT:
        if flags & flag:
            found[name], at = _text(header, at)
    return found


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    if end > len(data):
        raise IndexError("a text is longer than the header")
    return data[at + 1 : end].decode(), end


_names: dict[bytes, str] = {}


def _table(data: bytes, at: int, end: int) -> dict[str, Any]:
    if end > len(data):
        raise IndexError("a table is longer than the header")
    table: dict[str, Any] = {}
    while at < end:
        stop = at + 1 + data[at]
        raw = data[at + 1 : stop]
        name = _names.get(raw)
        if name is None:
            name = raw.decode()
            if len(_names) < MOST_NAMES:
                _names[raw] = name
        kind = data[stop]
        at = stop + 1
        if kind == 0x53:  # S: a text
            stop = at + 4 + _LONG.unpack_from(data, at)[0]
            if stop > end:
                raise IndexError("a text is longer than its table")
            table[name] = data[at + 4 : stop].decode()
            at = stop
        elif kind == 0x56:  # V: nothing
            table[name] = None
        elif kind == 0x49:  # I: a signed number
            table[name] = _SIGNED.unpack_from(data, at)[0]
            at += 4
        elif kind == 0x74:  # t: true or false
            table[name] = bool(data[at])
            at += 1
        elif kind == 0x46:  # F: a table
            stop = at + 4 + _LONG.unpack_from(data, at)[0]
            table[name] = _table(data, at + 4, stop)
            at = stop
        elif kind == 0x41:  # A: a list
            stop = at + 4 + _LONG.unpack_from(data, at)[0]
            entries = data[at + 4 : stop]
            if entries.strip(b"V"):
                (table[name],), at = loads("A", data, at)
            else:  # nothing but nothings: the time limits of most tasks
                table[name] = [None] * len(entries)
                at = stop
        else:
            return table | _rest(data, raw, stop, end)
    return table


def _rest(data: bytes, name: bytes, at: int, end: int) -> dict[str, Any]:
    """Decode the entries of a table from the one called `name` on; its value stands at `at`."""
    entries = bytes([len(name)]) + name + data[at:end]
    (table,), _ = loads("F", _LONG.pack(len(entries)) + entries, 0)
    rest: dict[str, Any] = table
    return rest
