"""States of a task's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sending import recording_app

from kernelq.context import TaskRequest, running
from kernelq.customstate import store_state
from kernelq.exceptions import NoResultBackend


class Kept(list[Any]):
    """A result store."""

    def store_many(self, records):
        self.extend(records)


@pytest.fixture
def app():
    app, _ = recording_app(result_expires=60)
    app.__dict__["backend"] = Kept()
    return app


def test_a_running_task_tells_its_progress(app):
    @app.task(name="pack", bind=True)
    def pack(self):
        self.update_state(state="PROGRESS", meta={"done": 3})

    request = TaskRequest({"id": "a", "task": "pack", "parent_id": "p"})
    request.called_directly = False
    with running(request):
        pack.run()

    record = app.backend[0]
    meta = json.loads(record.payload)
    assert ("a", "PROGRESS", 60) == (record.task_id, record.state, record.expires)
    assert ("PROGRESS", {"done": 3}, "a", "p") == tuple(
        meta[key] for key in ("status", "result", "task_id", "parent_id")
    )


def test_an_exception_is_stored_as_one(app):
    store_state(app, "a", "STUCK", ValueError("why"))

    meta = json.loads(app.backend[0].payload)
    assert ("ValueError", ["why"]) == (meta["result"]["exc_type"], meta["result"]["exc_message"])


def test_without_a_store_it_is_an_error():
    app, _ = recording_app()

    with pytest.raises(NoResultBackend, match="result_backend"):
        store_state(app, "a", "PROGRESS")
