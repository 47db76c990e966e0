"""The running task's request has Celery's names, and belongs to one run."""

from __future__ import annotations

import threading

import pytest
from client_fakes import a_job, an_app

from kernelq.context import TaskRequest, add_child, current, running


def test_headers_are_read_by_name_and_the_senders_own_apart():
    request = TaskRequest({"retries": 2, "root_id": "r", "tenant": 7, "timelimit": [10, 5]})

    assert (2, "r", 7, {"tenant": 7}) == (request.retries, request.root_id, request.tenant, request.headers)
    assert (10, 5) == (request.time_limit, request.soft_time_limit)
    assert ("?", 0) == (request.get("unheard", "?"), TaskRequest().retries)


def test_what_no_message_has_is_an_attribute_error():
    with pytest.raises(AttributeError, match="unheard"):
        _ = TaskRequest().unheard


def test_it_may_carry_attributes_of_the_tasks_own():
    request = TaskRequest()
    request.mine = 1

    assert 1 == request.mine


def test_a_running_task_sees_its_call():
    app = an_app()
    seen = {}

    @app.task(bind=True, name="app.look")
    def look(self, x):
        request = self.request
        seen.update(id=request.id, task=request.task, args=request.args, node=request.hostname,
                    direct=request.called_directly, reply_to=request.reply_to, correlation=request.correlation_id,
                    queue=request.delivery_info["routing_key"], callbacks=request.callbacks)  # fmt: skip

    job = a_job(look, 1)
    app.executor("w@h")(job)

    assert {"id": job.task_id, "task": "app.look", "args": [1], "node": "w@h", "direct": False, "queue": "celery",
            "reply_to": job.properties["reply_to"], "correlation": job.task_id, "callbacks": None} == seen  # fmt: skip


def test_children_belong_to_the_task_that_runs_in_this_context():
    request, other = TaskRequest(), TaskRequest()
    with running(request):
        add_child("a")
        thread = threading.Thread(target=add_child, args=("b",))
        thread.start()
        thread.join()
        with running(other):
            add_child("c")
    add_child("d")

    assert (["a"], ["c"], None) == (request.children, other.children, current())
