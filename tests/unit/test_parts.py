"""Results taken apart."""

from __future__ import annotations

import json
import zlib

import pytest

from kernelq.backends import MAGIC
from kernelq.conf import Conf
from kernelq.outcome import Record
from kernelq.parts import Parts, Unreadable, newest
from kernelq.serialization import dumps

META = {"task_id": "a", "status": "SUCCESS", "result": [1, "ü"]}


def parts(**settings):
    conf = Conf()
    conf.update(settings, source="test")
    return Parts(conf)


def record(payload, state="SUCCESS", task_id="a"):
    return Record(task_id, state, payload, None)


@pytest.mark.parametrize("serializer", ["json", "pickle", "msgpack"])
def test_a_meta_is_taken_apart(serializer):
    ours = parts(result_serializer=serializer, accept_content=[serializer])
    assert META == ours.take(record(dumps(META, serializer)[2]))


def test_a_compressed_meta_too():
    packed = MAGIC + b"application/x-gzip\x00" + zlib.compress(json.dumps(META).encode())
    assert META == parts().take(record(packed))


@pytest.mark.parametrize("payload", [b"", b"[1]", b"{}", b"\xff", json.dumps({**META, "status": "FAILURE"}).encode()])
def test_what_is_no_meta_of_the_record_is_none(payload):
    assert parts().take(record(payload)) is None


def test_parts_come_back():
    ours = parts()
    assert {"ü": [None, 1.5]} == ours.load(ours.dump({"ü": [None, 1.5]}))


def test_what_the_settings_do_not_accept_is_not_read():
    writer = parts(result_serializer="pickle", accept_content=["pickle"])
    reader = parts(result_serializer="pickle", accept_content=["json"])
    with pytest.raises(Unreadable, match="not readable as pickle"):
        reader.load(writer.dump(1))


def test_of_several_records_of_a_task_a_success_stays_else_the_newest():
    given = [record(b"1", "STARTED", "z"), record(b"2", "SUCCESS", "z"), record(b"3", "FAILURE", "z"),
             record(b"4", "STARTED"), record(b"5", "RETRY")]  # fmt: skip
    assert [b"5", b"2"] == [one.payload for one in newest(given)]
