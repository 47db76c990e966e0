"""A result in columns and back."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta

import pytest

from kernelq import meta
from kernelq.backends import MAGIC
from kernelq.conf import Conf
from kernelq.serialization import compress, decode_json, dumps, encode_json
from kernelq_sqlalchemy.rows import RAW, Rows

SUCCESS = {
    "status": "SUCCESS", "result": {"when": {"__type__": "date", "__value__": "2026-01-01"}, "n": [1, None]},
    "traceback": None, "children": [[["c", None], None]], "date_done": "x", "task_id": "a",
}  # fmt: skip


def rows(pickles=False, **settings):
    conf = Conf()
    conf.update(settings, source="test")
    return Rows(conf, pickles)


def through(one, record, meta_of, state="SUCCESS", encode=encode_json):
    row = one.row(record(state=state, payload=encode(meta_of)))
    return row, one.payload(row)


def test_a_result_goes_to_celerys_columns_and_comes_back(record):
    """All but the time, which the column has."""
    row, payload = through(rows(), record, SUCCESS)

    assert SUCCESS["result"] == json.loads(row["result"])
    assert SUCCESS["children"] == json.loads(row["children"])
    again = json.loads(payload)
    assert row["date_done"] == datetime.fromisoformat(again.pop("date_done")).replace(tzinfo=None)
    assert {name: value for name, value in SUCCESS.items() if name != "date_done"} == again


def test_a_failure_keeps_its_traceback_without_what_databases_refuse(record):
    told = {**SUCCESS, "status": "FAILURE", "traceback": "line\x00 \ud800 ü", "result": {"exc_type": "E"}}
    row, payload = through(rows(), record, told, "FAILURE")

    assert "line\\x00 \\ud800 ü" == row["traceback"]
    assert "E" == decode_json(payload)["result"]["exc_type"]


def test_what_is_no_meta_is_kept_as_it_is(record):
    one = rows()
    for payload in (b"{}", b"[1]", b"not json", encode_json({**SUCCESS, "status": "FAILURE"})):
        row = one.row(record(payload=payload))
        assert RAW + payload == row["result"]
        assert payload == one.payload(row)


def test_an_unready_state_has_no_date(record):
    assert None is rows().row(record(state="STARTED"))["date_done"]


def test_extended_columns(record):
    more = {
        "name": "t.add", "args": [1], "kwargs": {"k": "ü"}, "worker": "celery@h", "retries": 2, "queue": "q",
        "stamped_headers": ["who"], "who": ["me"],
    }  # fmt: skip
    row, payload = through(rows(result_extended=True), record, {**SUCCESS, **more})

    assert ("t.add", b"[1]", 2) == (row["name"], row["args"], row["retries"])
    assert {"stamped_headers": ["who"], "stamps": {"who": ["me"]}} == json.loads(row["stamps"])
    assert more == {name: value for name, value in json.loads(payload).items() if name in more}
    assert "name" not in rows().row(record())


@pytest.mark.parametrize("serializer", ["yaml", "msgpack", "pickle"])
def test_other_serializers(record, serializer):
    pytest.importorskip({"yaml": "yaml"}.get(serializer, serializer))
    one = rows(result_serializer=serializer, result_accept_content=[serializer])
    plain = {**SUCCESS, "result": {"n": [1, None]}}
    row, payload = through(one, record, plain, encode=lambda value: dumps(value, serializer)[2])

    assert dumps(plain["result"], serializer)[2] == row["result"]
    assert dumps(dict.fromkeys(plain), serializer)[2][:1] == payload[:1]


def test_a_compressed_result_is_stored_for_everybody_to_read(record):
    packed, kind = compress(encode_json(SUCCESS), "gzip")
    row = rows(result_compression="gzip").row(record(payload=b"".join((MAGIC, kind.encode(), b"\x00", packed))))

    assert SUCCESS["result"] == json.loads(row["result"])


def test_expiry_is_the_records_or_counted_from_the_date(record):
    one = rows(result_expires=100)
    row = one.row(record())

    assert not one.expired(row)
    assert one.expired({**row, "kernelq_expires": 1.0})
    assert not one.expired({**one.row(record(expires=None)), "date_done": datetime(2000, 1, 1)})
    celerys = {**row, "kernelq_expires": None}
    assert not one.expired(celerys)
    assert one.expired({**celerys, "date_done": row["date_done"] - timedelta(seconds=101)})
    assert not one.expired({**celerys, "date_done": None})
    assert not rows(result_expires=None).expired({**celerys, "date_done": datetime(2000, 1, 1)})


class TestPickled:
    """Rows of Celery before 5.7."""

    def read(self, one, value, record):
        return one.payload({**one.row(record()), "result": pickle.dumps(value)})

    def test_it_is_refused_by_default_and_the_reader_says_why(self, record):
        payload = self.read(rows(), {"n": 1}, record)

        with pytest.raises(meta.Malformed, match="database_pickled_results"):
            meta.read(payload, decode_json)

    def test_plain_values_are_read_where_the_setting_says_so(self, record):
        payload = self.read(rows(pickles=True), {"n": (1, "ü")}, record)

        assert {"n": [1, "ü"]} == meta.read(payload, decode_json)["result"]

    def test_more_than_plain_values_is_refused_all_the_same(self, record):
        payload = self.read(rows(pickles=True), datetime(2026, 1, 1), record)

        with pytest.raises(meta.Malformed, match="pickled and is not read"):
            meta.read(payload, decode_json)

    def test_it_is_written_that_way_too(self, record):
        row, payload = through(rows(pickles=True), record, SUCCESS)

        assert SUCCESS["result"] == pickle.loads(row["result"])
        assert SUCCESS["result"] == json.loads(payload)["result"]

    def test_where_pickle_is_the_serializer_it_must_be_accepted(self, record):
        payload = self.read(rows(result_serializer="pickle"), {"n": 1}, record)

        assert "not accepted" in pickle.loads(payload)["unreadable"]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"\x00", b"[" * 100_000])
def test_malformed_columns_are_told_not_raised(record, data):
    one = rows()
    with pytest.raises(meta.Malformed, match="unreadable"):
        meta.read(one.payload({**one.row(record()), "result": data}), decode_json)
