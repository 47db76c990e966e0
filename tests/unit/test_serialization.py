"""Values to bytes and back."""

from __future__ import annotations

import uuid
import zlib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.utils.json import dumps as kombus

from kernelq import serialization
from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import ConfigurationError

VALUES: list[Any] = [
    None, True, 1, -1.5, "ä\u2028", [], {}, {"a": [1, {"b": None}]}, [1, (2, 3)], {1: 2, None: 3},
    float("inf"), datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2), time(1, 2, 3), Decimal("1.10"), uuid.UUID(int=1),
    b"x", b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_json_is_kombus(value):
    """Byte by byte, its words for dates and their like included."""
    assert kombus(value).encode() == serialization.encode_json(value)


@pytest.mark.parametrize("value", VALUES[11:], ids=repr)
def test_what_json_has_no_word_for_comes_back(value):
    assert [value] == serialization.decode_json(serialization.encode_json([value]))


def test_an_object_may_say_how_it_is_written():
    class Money:
        def __json__(self) -> dict[str, int]:
            return {"cents": 5}

    assert b'{"cents": 5}' == serialization.encode_json(Money())


def test_a_value_that_contains_itself_is_an_error():
    ring: list[Any] = []
    ring.append(ring)

    with pytest.raises(serialization.EncodeError, match="contains itself"):
        serialization.encode_json(ring)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[1", b"\xff", b"[" * 100_000,
        b'{"__type__": "no", "__value__": 1}', b'{"__type__": "date", "__value__": 7}',
    ],
)  # fmt: skip
def test_malformed_json_is_a_decode_error(data):
    """Whatever the bytes are, nothing else is raised."""
    with pytest.raises(serialization.DecodeError):
        serialization.decode_json(data)


def test_a_limit_that_comes_while_json_is_read_is_not_the_texts_fault(monkeypatch):
    def scan(text: str, at: int) -> tuple[object, int]:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(serialization, "_scan", scan)

    with pytest.raises(SoftTimeLimitExceeded):
        serialization.decode_json(b"[1]")


def test_json_may_have_white_space_around_it_and_nothing_else():
    assert [1] == serialization.decode_json(b"\n [1] ")
    with pytest.raises(serialization.DecodeError, match="Extra data"):
        serialization.decode_json(b"[1] [2]")


def test_pickle_is_refused_before_it_is_read():
    """The bytes would delete files if they were interpreted."""
    body = b"cos\nsystem\n(S'touch /tmp/kernelq-was-here'\ntR."

    with pytest.raises(serialization.ContentDisallowed, match="accept_content"):
        serialization.loads(body, "application/x-python-serialize", "binary", accept=["json"])


def test_an_accepted_type_is_read_by_name_and_by_content_type():
    content_type, encoding, body = serialization.dumps({"a": (1, 2)}, "pickle")

    assert {"a": (1, 2)} == serialization.loads(body, content_type, encoding, accept=["pickle"])
    assert {"a": (1, 2)} == serialization.loads(body, content_type, encoding, accept=[content_type])


def test_a_serializer_can_be_a_plugin():
    """It is found by name and entered in kombu's registry."""
    shout = SimpleNamespace(
        content_type="application/x-shout", content_encoding="utf-8",
        dumps=lambda value: str(value).upper().encode(), loads=lambda data: bytes(data).decode().lower(),
    )  # fmt: skip
    discovery = Discovery({"kernelq.serializers": {"shout": shout}}, installed=False)

    content_type, encoding, body = serialization.dumps("abc", "shout", discovery)

    assert ("application/x-shout", "utf-8", b"ABC") == (content_type, encoding, body)
    assert "abc" == serialization.loads(body, content_type, encoding, accept=["shout"])


def test_an_unknown_serializer_names_the_known():
    with pytest.raises(ConfigurationError, match="no serializer 'jsn'; there are.* json"):
        serialization.dumps(1, "jsn", Discovery(installed=False))


@pytest.mark.parametrize("name", ["gzip", "zlib", "bzip2", "lzma"])
def test_compression_comes_back(name):
    packed, mime = serialization.compress(b"x" * 5000, name)

    assert len(packed) < 500
    assert b"x" * 5000 == serialization.decompress(packed, mime)


def test_a_bomb_is_not_unpacked():
    """Unpacking stops at the limit."""
    packed, mime = serialization.compress(b"\0" * 10_000_000, "gzip")

    with pytest.raises(serialization.DecodeError, match="more than 1000 bytes"):
        serialization.decompress(packed, mime, limit=1000)


@pytest.mark.parametrize("data", [b"", b"nonsense", zlib.compress(b"x" * 999)[:-9]])
def test_malformed_compression_is_a_decode_error(data):
    with pytest.raises(serialization.DecodeError):
        serialization.decompress(data, "application/x-gzip")


def test_an_unknown_compression_names_the_known():
    with pytest.raises(ConfigurationError, match="gzip"):
        serialization.compress(b"", "gz")
