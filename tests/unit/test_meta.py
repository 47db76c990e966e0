"""The stored form of results: the bytes are Celery's, and nothing stored is imported or called."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any

import celery
import pytest
from celery.app.task import Context
from client_fakes import DictBackend, an_app

from kernelq import meta
from kernelq.backends import ResultWriter
from kernelq.context import TaskRequest
from kernelq.exceptions import RemoteError, TaskRevokedError, TimeoutError

WIRE = {"id": "t1", "task": "app.add", "group": None, "parent_id": None, "retries": 0}
VALUES = [None, True, False, 0, -1, 1 << 70, 1.5, float("inf"), "", "ä\"\\\n\u2028\ud83d\ude00", [1, [2, {"a": None}]],
          (1, 2), {"b": 1, "a": [True]}, b"bytes", b"\xff", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]  # fmt: skip


def celery_bytes(wire: dict[str, Any], state: str, result: Any, traceback: str | None = None, **conf: Any) -> str:
    """Encode as Celery's key-value backends do."""
    app = celery.Celery("x", backend="cache+memory://", set_as_current=False)
    app.conf.update(conf)
    backend = app.backend
    request = Context(wire, args=[1, 2], kwargs={"k": 1}, hostname="w@h", delivery_info={"routing_key": "celery"})
    stored = backend.encode_result(result, state)
    whole = backend._get_result_meta(result=stored, state=state, traceback=traceback, request=request)
    whole["task_id"] = wire["id"]
    return at_no_time(backend.encode(whole))


def our_request(wire: dict[str, Any]) -> TaskRequest:
    request = TaskRequest(wire)
    request.args, request.kwargs, request.hostname = [1, 2], {"k": 1}, "w@h"
    request.delivery_info = {"routing_key": "celery"}
    return request


def at_no_time(payload: str | bytes) -> str:
    text = payload if isinstance(payload, str) else payload.decode()
    return re.sub(r'"date_done": "[^"]+"', '"date_done": "then"', text)


def writer(**settings: Any) -> ResultWriter:
    app = an_app(**settings)
    return ResultWriter(app, DictBackend())


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_success_has_celerys_bytes(value):
    assert celery_bytes(WIRE, "SUCCESS", value) == at_no_time(writer().success(our_request(WIRE), value).payload)


@pytest.mark.parametrize(
    "error", [ValueError("no", 1), KeyError(("a",)), OSError(2, "gone"), ValueError(object)], ids=repr
)
def test_a_failure_has_celerys_bytes(error):
    ours = writer().failure(our_request(WIRE), "FAILURE", error, "Traceback …").payload

    assert celery_bytes(WIRE, "FAILURE", error, "Traceback …") == at_no_time(ours)


@pytest.mark.parametrize("extended", [False, True])
def test_groups_parents_stamps_and_extended_results_have_celerys_bytes(extended):
    stamps = {"stamped_headers": ["tag"], "stamps": {"tag": ["a"]}}
    wire = {**WIRE, "group": "g1", "parent_id": "p1", "retries": 2, **stamps}
    ours = writer(result_extended=extended).success(our_request(wire), 1).payload

    assert celery_bytes(wire, "SUCCESS", 1, result_extended=extended) == at_no_time(ours)


def test_started_and_retry_have_no_end():
    request = our_request(WIRE)
    started = json.loads(writer().started(request).payload)

    assert (None, {"pid": os.getpid(), "hostname": "w@h"}) == (started["date_done"], started["result"])
    assert celery_bytes(WIRE, "RETRY", ValueError("no")) == at_no_time(
        writer().failure(request, "RETRY", ValueError("no"), None).payload
    )


def test_date_done_is_utc_with_its_offset():
    assert datetime.fromisoformat(meta.now()).utcoffset() is not None
    assert meta.now().endswith("+00:00")


def test_date_done_goes_on_within_a_second_and_beyond_it():
    before = shown = datetime.now(UTC)
    while datetime.now(UTC).second == before.second:
        shown = datetime.fromisoformat(meta.now())

    assert before <= shown <= datetime.fromisoformat(meta.now()) <= datetime.now(UTC)


def test_celery_reads_what_we_write():
    app = celery.Celery("x", backend="cache+memory://", set_as_current=False)
    payload = writer().failure(our_request(WIRE), "REVOKED", TaskRevokedError("late"), None).payload

    read = app.backend.meta_from_decoded(app.backend.decode(payload))["result"]

    assert celery.exceptions.TaskRevokedError is type(read)


def read_error(module: Any, name: Any, message: Any = ()) -> BaseException:
    stored = {"exc_type": name, "exc_message": message, "exc_module": module}
    return meta.error_of(stored, "Traceback …")


def test_a_known_exception_comes_back_as_itself():
    assert KeyError is type(read_error("builtins", "KeyError", ["a"]))
    assert ("a",) == read_error("builtins", "KeyError", ["a"]).args


@pytest.mark.parametrize("name", ["SoftTimeLimitExceeded", "TimeLimitExceeded", "WorkerLostError", "TaskRevokedError"])
def test_celerys_own_exceptions_come_back_as_ours(name):
    assert "kernelq.exceptions" == type(read_error("celery.exceptions", name, ["x"])).__module__


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("builtins", "eval"), ("builtins", "exec"), ("builtins", "object"), ("subprocess", "Popen"),
        ("builtins", "SystemExit"), ("builtins", "KeyboardInterrupt"), ("builtins", "BaseException"),
        ("os", "path.join"), ("builtins", "__import__"), ("builtins", "ValueError.mro"), ("builtins", ""), ("", "x"),
        (None, "os.system"), ("builtins", None), (7, "ValueError"), (["os"], ["system"]),
        ("builtins", "ValueError.__init__"),
    ],
)  # fmt: skip
def test_what_is_no_exception_is_never_called(module, name, tmp_path):
    """As in CVE-2021-23727: a stored failure that names a function, with a command as its argument."""
    mark = tmp_path / "mark"
    error = read_error(module, name, [f"touch {mark}"])

    assert RemoteError is type(error)
    assert f"touch {mark}" in str(error)
    assert not mark.exists()


def test_nothing_is_imported_to_read_a_failure():
    assert "wave" not in sys.modules
    error = read_error("wave", "Error", ["no"])

    assert "wave" not in sys.modules
    assert ("wave.Error", "no", "Traceback …") == (error.type, error.message, error.traceback)


class Awkward(Exception):
    def __init__(self, a: int, *, b: int) -> None:
        super().__init__(a, b)


def test_an_exception_that_cannot_be_made_again_is_a_remote_error():
    assert RemoteError is type(read_error(__name__, "Awkward", [1]))


@pytest.mark.parametrize(
    "payload", [b"", b"7", b"[]", b"{}", b'{"status": 1, "result": 2}', b'{"status": "SUCCESS"}', b"\xff"]
)
def test_a_payload_that_is_no_result_says_so(payload):
    with pytest.raises(meta.Malformed):
        meta.read(payload, json.loads)


def test_an_unknown_id_is_pending():
    assert {"status": "PENDING", "result": None} == meta.read(None, json.loads)


def test_our_timeout_is_a_builtin_one():
    assert issubclass(TimeoutError, __import__("builtins").TimeoutError)
