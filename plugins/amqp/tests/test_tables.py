"""Decoding properties: the same as py-amqp, whatever comes."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal

import amqp
import pytest
from amqp.serialization import decode_properties_basic
from hypothesis import given
from hypothesis import strategies as st

from kernelq_amqp.tables import properties

plain = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
texts = st.none() | st.text(max_size=20)


@given(
    headers=st.none() | st.dictionaries(st.text(max_size=20), values, max_size=6),
    content_type=texts,
    correlation_id=texts,
    reply_to=texts,
    expiration=texts,
    priority=st.none() | st.integers(0, 255),
    type=texts,
)
def test_every_message_reads_as_py_amqp_reads_it(headers, **given):
    """Usual headers and unusual ones."""
    message = amqp.Message(b"", application_headers=headers, **given)
    header = message._serialize_properties()
    assert decode_properties_basic(header, 0)[0] == properties(header)


def test_rare_types_are_left_to_py_amqp():
    """A decimal and a time between usual values."""
    headers = {"a": 1, "price": Decimal("1.5"), "b": "x", "at": datetime(2026, 1, 2), "c": None}
    header = amqp.Message(b"", application_headers=headers)._serialize_properties()
    assert headers == properties(header)["application_headers"]


def nested(levels):
    value = "bottom"
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize(
    ("headers", "told"), [({"x": "x" * 70_000}, "headers have 70"), ({"x": nested(70)}, "deeper than 64 levels")]
)
def test_headers_above_the_limits_are_an_error(headers, told):
    """The lane buries the message with these words."""
    header = amqp.Message(b"", application_headers=headers)._serialize_properties()
    with pytest.raises(ValueError, match=told):
        properties(header)


def test_headers_within_the_limits():
    """Sixty-four levels, the headers themselves among them; letters of texts do not count."""
    headers = {"x": nested(63), "y": "FA" * 100}
    header = amqp.Message(b"", application_headers=headers)._serialize_properties()
    assert headers == properties(header)["application_headers"]


@given(st.binary(max_size=60))
def test_any_bytes_bring_properties_or_a_valueerror(data):
    """Nothing else: the lane buries what raises it."""
    with suppress(ValueError):
        assert isinstance(properties(data), dict)


def test_a_length_beyond_the_end_is_an_error():
    """Of a text, of a table, of a text in a table."""
    good = amqp.Message(b"", application_headers={"name": "value"})._serialize_properties()
    longer_text = good[:-9] + b"\x00\x00\x00\xff" + good[-5:]
    for bad in (b"\x80\x00\x05ab", good[:2] + b"\x00\x00\xff\xff" + good[6:], longer_text):
        with pytest.raises(ValueError, match="cannot be decoded"):
            properties(bad)
