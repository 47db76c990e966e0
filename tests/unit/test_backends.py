"""Results on their way to the store and back."""

from __future__ import annotations

import pytest
from client_fakes import DictBackend, an_app

from kernelq import meta
from kernelq.backends import ResultWriter, reader
from kernelq.context import TaskRequest
from kernelq.exceptions import ResultTooLarge
from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.errors import BackendUnreachable, ConfigurationError
from kernelq.outcome import Record
from kernelq.result import AsyncResult
from kernelq.serialization import EncodeError


def a_request():
    return TaskRequest({"id": "t1"})


@pytest.mark.parametrize("serializer", ["json", "pickle"])
@pytest.mark.parametrize("compression", [None, "gzip", "bzip2"])
def test_what_is_written_is_read_back(serializer, compression):
    app = an_app(result_serializer=serializer, result_compression=compression, accept_content=["json", "pickle"])
    writer = ResultWriter(app, DictBackend())
    for value in (None, 7, "ä", [1, {"a": 2.5}]):
        payload = writer.success(a_request(), value).payload
        assert value == meta.read(payload, reader(app))["result"]


def test_a_result_of_a_type_that_is_not_accepted_is_not_read():
    app = an_app(result_serializer="pickle", accept_content=["json"])
    payload = ResultWriter(app, DictBackend()).success(a_request(), 1).payload

    with pytest.raises(meta.Malformed, match="not accepted"):
        meta.read(payload, reader(app))


def test_a_compressed_result_that_unpacks_too_far_is_not_read():
    app = an_app(result_compression="gzip")
    payload = ResultWriter(app, DictBackend()).success(a_request(), "x" * 100_000).payload

    with pytest.raises(meta.Malformed, match="unpacks to more"):
        meta.read(payload, reader(an_app(max_decompressed_bytes=1000)))


def test_a_result_that_is_itself_a_result_is_stored_as_its_name():
    app = an_app()
    payload = ResultWriter(app, DictBackend()).success(a_request(), AsyncResult("other", app)).payload

    assert [["other", None], None] == meta.read(payload, reader(app))["result"]


def test_what_cannot_be_written_or_is_too_large_says_so():
    writer = ResultWriter(an_app(max_message_bytes=200), DictBackend())
    with pytest.raises(EncodeError, match="object"):
        writer.success(a_request(), object())
    with pytest.raises(ResultTooLarge, match="max_message_bytes allows 200"):
        writer.success(a_request(), "x" * 300)


def test_an_unknown_serializer_is_an_error_of_the_settings():
    with pytest.raises(ConfigurationError, match="klingon"):
        ResultWriter(an_app(result_serializer="klingon"), DictBackend())


def test_the_expiry_is_that_of_the_settings():
    assert 60 == ResultWriter(an_app(result_expires=60), DictBackend()).success(a_request(), 1).expires
    assert None is ResultWriter(an_app(result_expires=None), DictBackend()).success(a_request(), 1).expires


def test_keep_stores_here_or_hands_over():
    record = Record("t1", "SUCCESS", b"{}", None)
    here, there = DictBackend(placement=Placement.HOST), DictBackend()

    assert None is ResultWriter(an_app(), here).keep(record)
    assert record is ResultWriter(an_app(), there).keep(record)
    assert ([record], []) == (here.records, there.records)


def test_keep_gives_up_after_its_retries():
    backend = DictBackend(placement=Placement.HOST)
    backend.away = 2
    with pytest.raises(BackendUnreachable):
        ResultWriter(an_app(result_backend_max_retries=1), backend).keep(Record("t1", "SUCCESS", b"{}", None))

    assert 0 == backend.away


def test_a_tasks_own_state_is_stored_under_its_id():
    app = an_app()
    record = ResultWriter(app, DictBackend()).custom("t1", "PROGRESS", {"done": 5}, a_request())

    assert ("PROGRESS", {"done": 5}, "t1") == tuple(
        meta.read(record.payload, reader(app))[name] for name in ("status", "result", "task_id")
    )
    assert "other" == ResultWriter(app, DictBackend()).custom("other", "PROGRESS", 1, a_request()).task_id
