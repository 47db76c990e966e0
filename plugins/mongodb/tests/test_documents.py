"""Results as documents."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from bson.binary import Binary

from kernelq.backends import MAGIC
from kernelq.conf import Conf
from kernelq_mongodb.documents import EXPIRES, RAW, Documents

META = {"task_id": "a", "status": "SUCCESS", "result": {"ü": [1]}, "traceback": None, "children": [[["c", None], None]],
        "date_done": "2026-01-02T03:04:05+00:00", "group_id": "g", "parent_id": "p"}  # fmt: skip


def documents(**settings):
    conf = Conf()
    conf.update(settings, source="test")
    return Documents(conf)


def test_a_meta_becomes_celerys_fields(record):
    made = documents().document(record(payload=json.dumps(META).encode()))

    assert ("a", "SUCCESS", {"ü": [1]}) == (made["_id"], made["status"], json.loads(made["result"]))
    assert ([[["c", None], None]], "g", "p") == (made["children"], made["group_id"], made["parent_id"])
    assert timedelta(seconds=55) < made[EXPIRES] - datetime.now(UTC) <= timedelta(seconds=60)


def test_and_comes_back_whole(record):
    ours = documents()
    made = ours.document(record(payload=json.dumps(META).encode()))
    made["date_done"] = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert META == json.loads(ours.payload(made))


@pytest.mark.parametrize("serializer", ["pickle", "msgpack"])
def test_what_is_binary_is_stored_as_such(record, serializer):
    from kernelq.serialization import dumps

    ours = documents(result_serializer=serializer, accept_content=[serializer])
    payload = dumps(META, serializer)[2]
    made = ours.document(record(payload=payload))

    assert isinstance(made["result"], Binary)


def test_a_compressed_payload_is_taken_apart_too(record):
    packed = MAGIC + b"application/x-gzip\x00" + zlib.compress(json.dumps(META).encode())
    assert {"ü": [1]} == json.loads(documents().document(record(payload=packed))["result"])


def test_what_is_no_meta_is_kept_to_the_byte(record):
    ours = documents()
    made = ours.document(record(payload=b"\x00raw"))
    assert (b"\x00raw", b"\x00raw") == (bytes(made[RAW]), ours.payload(made))


def test_extended_fields_are_kept_where_the_settings_say(record):
    payload = json.dumps({**META, "name": "t.add", "args": [1], "kwargs": {}, "queue": "q", "retries": 0}).encode()
    assert "name" not in documents().document(record(payload=payload))
    made = documents(result_extended=True).document(record(payload=payload))
    assert ("t.add", [1], "q", 0) == (made["name"], made["args"], made["queue"], made["retries"])
    assert "t.add" == json.loads(documents(result_extended=True).payload(made))["name"]


def test_celerys_documents_expire_by_the_settings():
    done = datetime.now(UTC) - timedelta(seconds=100)
    theirs = {"_id": "a", "status": "SUCCESS", "result": "1", "date_done": done}
    assert documents(result_expires=99).expired(theirs)
    assert not documents(result_expires=200).expired(theirs)
    assert not documents(result_expires=99).expired({**theirs, EXPIRES: None})  # ours, kept for ever


def test_what_cannot_be_read_says_why():
    payload = documents().payload({"_id": "a", "status": "SUCCESS", "result": Binary(b"\x80\x04.")})
    assert "not readable as json" in json.loads(payload)["unreadable"]
