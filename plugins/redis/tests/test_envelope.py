"""Envelopes: what kombu writes is read, what is written kombu reads, and garbage is told as such."""

from __future__ import annotations

import base64
import contextlib
import datetime
import decimal
import hashlib
import json
import uuid

import pytest
from kombu.utils.json import loads

from kernelq import KernelQ
from kernelq.context import TaskRequest, running
from kernelq.kernel.discovery import Discovery
from kernelq_redis.envelope import Malformed, decode, encode, fingerprint
from kernelq_testkit.messages import message


def envelope(**changes):
    made = {
        "body": base64.b64encode(b"[[], {}, {}]").decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "t", "id": "1"},
        "properties": {
            "correlation_id": "1", "reply_to": "r", "delivery_mode": 2, "priority": 0, "body_encoding": "base64",
            "delivery_info": {"exchange": "e", "routing_key": "k"}, "delivery_tag": "tag",
        },
    }  # fmt: skip
    made.update({name.replace("_", "-"): value for name, value in changes.items()})
    return json.dumps(made).encode()


def test_what_is_written_is_what_kombu_reads():
    """Through kombu's own virtual channel: body, headers and properties are the same."""
    from kombu.transport.virtual import Message

    class Channel:
        def decode_body(self, body, encoding):
            return base64.b64decode(body) if encoding == "base64" else body

    sent = message("q", priority=9)
    payload = loads(encode(sent, tag="mine"))
    got = Message(payload, channel=Channel())
    assert sent.body == got.body
    assert sent.headers == got.headers
    assert ("mine", 0) == (got.delivery_tag, got.properties["priority"])
    assert {"exchange": "", "routing_key": "q"} == got.delivery_info
    assert ("application/json", "utf-8") == (got.content_type, got.content_encoding)


ARGUMENTS = [(), ("a'b\"\\ %s %b \n", 1.5), ("ü\u2028", {"é": [None]}), ("\ud800",)]


@pytest.mark.parametrize("args", ARGUMENTS, ids=ascii)
@pytest.mark.parametrize("parent", [None, TaskRequest({"id": "p'\"%", "root_id": "r"})], ids=["of none", "of a task"])
@pytest.mark.parametrize("priority", [None, 7])
def test_messages_of_one_outline_are_written_as_any_other(args, parent, priority):
    """To the byte, whatever they carry, and though what they have in common is encoded once."""
    app = KernelQ("envelopes", discovery=Discovery(installed=False), result_backend=None)
    task = app.task(name='100% "it"', priority=priority, time_limit=2.5)(lambda *args, **kwargs: None)
    if parent is not None:
        parent.called_directly = False
    with running(parent) if parent is not None else contextlib.nullcontext():
        app.amqp.plain(task, (), {})
        sent = app.amqp.plain(task, args, {"one": args})
    assert sent.sketch() is not None

    quick = encode(sent, "tag")
    sent.headers["now it"] = "is like any other"
    del sent.headers["now it"]

    assert encode(sent, "tag") == quick
    assert (sent.headers, sent.body) == ((got := decode(quick, "q", 1)).headers, got.body)


def test_what_is_written_is_read():
    """The way there and back."""
    sent = message("q", priority=4, properties={"reply_to": "r", "expiration": "500"})
    got = decode(encode(sent), "q", 7)
    assert (sent.headers, sent.body) == (got.headers, got.body)
    assert (7, "q", 1) == (got.tag, got.queue, got.deliveries)
    assert ("r", "500", 4) == tuple(got.properties[name] for name in ("reply_to", "expiration", "priority"))
    assert {"exchange": "", "routing_key": "q", "priority": 4, "redelivered": False} == got.properties["delivery_info"]


def test_celerys_message_is_read():
    """Celery gives most messages the priority 0, the most urgent on Redis."""
    got = decode(envelope(), "q", 1, deliveries=2)
    assert b"[[], {}, {}]" == got.body
    assert {"exchange": "e", "routing_key": "k", "priority": 9, "redelivered": True} == got.properties["delivery_info"]


def test_values_that_json_lacks_are_written_as_kombu_does():
    """A date in a header comes back as one, also from kombu's reader."""
    moment = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
    values = {"at": moment, "sum": [decimal.Decimal("1.5")], "of": {"id": uuid.UUID(int=5)}, "n": 2**80}
    sent = message("q", headers=values)
    assert values.items() <= loads(encode(sent).decode())["headers"].items()
    assert values == {name: decode(encode(sent), "q", 1).headers[name] for name in values}


@pytest.mark.parametrize(
    "raw",
    [
        envelope(headers=None),
        envelope(properties={}),
        envelope(properties={"priority": "high", "body_encoding": "base64"}),
        envelope(properties={"delivery_info": None, "body_encoding": "base64"}),
        envelope(content_type=None, content_encoding=7),
        envelope(headers={"n": float("nan")}),
    ],
)
def test_what_others_leave_out_is_tolerated(raw):
    """Whatever kombu would take for a message is one."""
    assert decode(raw, "q", 1).properties["delivery_info"]["routing_key"] in ("q", "k")


def test_a_body_without_encoding_is_text():
    """kombu may be told not to use base64."""
    assert "ü".encode() == decode(envelope(body="ü", properties={}), "q", 1).body


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"nonsense", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no body"),
        (envelope(body=5), "not text but int"),
        (envelope(body="a"), "not base64"),
        (envelope(headers=[]), "headers are not a JSON object"),
        (envelope(properties=3), "properties are not a JSON object"),
        (b'{"__type__": "no such", "__value__": 1}', "not JSON"),
        (envelope(headers={"x": "x" * 70_000}), "headers have 70"),
        (envelope(headers={"x": json.loads("[" * 70 + "]" * 70)}), "deeper than 64 levels"),
    ],
)
def test_garbage_is_told(raw, why):
    """The error says what is wrong; nothing else is ever raised."""
    with pytest.raises(Malformed, match=why):
        decode(raw, "q", 1)


def test_the_fingerprint_is_redis_own():
    """``redis.sha1hex`` gives the same."""
    assert hashlib.sha1(b"x").hexdigest() == fingerprint(b"x")
