from __future__ import annotations

import json
import pickle
from types import SimpleNamespace

import msgspec
import pytest

from kernelq.outcome import Record
from kernelq_redis.results import STATE, Layout, is_ready, state_of

WRITERS = {
    "json": lambda meta: json.dumps(meta).encode(),
    "dense": msgspec.json.encode,
    "msgpack": msgspec.msgpack.encode,
    "pickle 4": lambda meta: pickle.dumps(meta, 4),
    "pickle 5": lambda meta: pickle.dumps(meta, 5),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "STARTED", "MY_OWN"])
def test_the_state_is_read_where_celery_writes_it(write, state):
    """It is the first item of the mapping, in every serialiser."""
    assert state == state_of(write({"status": state, "result": {"status": "SUCCESS"}}))


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"{", b'{"result": 1}', b"\x00celery-compressed\x00", b"\x80\x04", b"\x82\xa6"]
)
def test_a_state_that_is_not_to_be_seen(payload):
    assert state_of(payload) is None


def test_what_is_ready():
    """An unknown state counts, so that nobody waits for ever."""
    assert [True, True, True, False, False, True] == [
        is_ready(state) for state in ("SUCCESS", "FAILURE", "REVOKED", "STARTED", "RETRY", None)
    ]


@pytest.mark.parametrize(
    ("given", "key"), [("", "celery-task-meta-a"), ("x", "x_celery-task-meta-a"), ("x:", "x:celery-task-meta-a")]
)
def test_keys(given, key):
    """``global_keyprefix``, and the separator that Celery adds."""
    layout = Layout(SimpleNamespace(result_backend_transport_options={"global_keyprefix": given}))
    assert key == layout.key("a")
    assert "a" == layout.task_id(key.encode())
    assert [key, key + STATE] == layout.names(["a"])


@pytest.mark.parametrize(("expires", "ms"), [(60.0, "60000"), (1.5, "1500"), (0.0001, "1"), (None, "0"), (0, "0")])
def test_fields_of_a_record(expires, ms):
    """None and 0 seconds are for ever; the state is told beside a payload that hides it."""
    shown = b'{"status": "SUCCESS"}'
    assert ("celery-task-meta-a", shown, ms, "") == Layout(None).fields(Record("a", "SUCCESS", shown, expires))
    assert "FAILURE" == Layout(None).fields(Record("a", "FAILURE", b"hidden", expires))[3]
