"""The events of tasks have Celery's fields, and are JSON."""

from __future__ import annotations

import json

import msgspec
import pytest

from kernelq_events import records

COMMON = {"type", "hostname", "utcoffset", "pid", "timestamp", "clock", "uuid"}


@pytest.mark.parametrize(
    ("record", "type", "fields"),
    [
        (
            records.Received,
            "task-received",
            {"name", "args", "kwargs", "root_id", "parent_id", "retries", "eta", "expires"},
        ),
        (records.Started, "task-started", set()),
        (records.Succeeded, "task-succeeded", {"result", "runtime"}),
        (records.Failed, "task-failed", {"exception", "traceback"}),
        (records.Retried, "task-retried", {"exception", "traceback"}),
        (records.Rejected, "task-rejected", {"requeue"}),
        (records.Revoked, "task-revoked", {"terminated", "signum", "expired"}),
    ],
)
def test_the_fields_are_those_of_celery(record, type, fields):
    """celery/worker/request.py and strategy.py, every `send_event`."""
    names = [field.name for field in msgspec.structs.fields(record)]
    written = json.loads(records.encode([record(*range(len(names)))]))

    assert COMMON | fields == set(written[0])
    assert type == written[0]["type"]


def test_what_json_has_no_word_for_is_shown():
    """A header that another client made must not stop the events of all others."""

    class Strange:
        def __repr__(self) -> str:
            return "<strange>"

    assert {"args": "<strange>"} == json.loads(records.encode({"args": Strange()}))
