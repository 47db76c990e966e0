"""Celery reads what KernelQ stores, and KernelQ what Celery stores, with the Celery that is installed."""

from __future__ import annotations

import pytest
from celery import Celery, states

from kernelq import KernelQ
from kernelq.job import Job


@pytest.fixture(params=[False, True], ids=["plain", "extended"])
def extended(request):
    return request.param


@pytest.fixture
def celery(url, extended):
    app = Celery("c", set_as_current=False, backend=url)
    app.conf.update(result_extended=extended)
    yield app
    app.backend._get_connection().close()
    app.close()


@pytest.fixture
def app(url, extended):
    with KernelQ("k", backend=url, broker="memory://", result_extended=extended) as app:

        @app.task(name="t.div")
        def div(a, b):
            return {"quotient": a / b, "ü": [None, True]}

        yield app


def test_kernelq_reads_celerys(app, celery):
    celery.backend.store_result("c1", {"n": [1, "ü"]}, states.SUCCESS)
    try:
        raise KeyError("lost")
    except KeyError as error:
        celery.backend.store_result("c2", error, states.FAILURE, traceback="Traceback: lost")

    assert {"n": [1, "ü"]} == app.AsyncResult("c1").get(timeout=30)
    with pytest.raises(KeyError, match="lost"):
        app.AsyncResult("c2").get(timeout=30)
    assert "Traceback: lost" == app.AsyncResult("c2").traceback


def test_celery_reads_kernelqs(app, celery):
    assert ("SUCCESS", "FAILURE") == (_run(app, "k1", (6, 3)), _run(app, "k2", (6, 0)))
    assert {"quotient": 2.0, "ü": [None, True]} == celery.AsyncResult("k1").get(timeout=30)
    failed = celery.AsyncResult("k2")
    with pytest.raises(ZeroDivisionError):
        failed.get(timeout=30)
    assert "ZeroDivisionError" in failed.traceback


def test_a_success_of_either_stands(app, celery):
    celery.backend.store_result("one", "celery", states.SUCCESS)
    _run(app, "one", (6, 0))
    assert "celery" == app.AsyncResult("one").get(timeout=30)
    _run(app, "two", (6, 3))
    celery.backend.store_result("two", "late", states.FAILURE)
    assert 2.0 == celery.AsyncResult("two").get(timeout=30)["quotient"]


def test_extended_results_tell_the_name_and_the_arguments(app, celery, extended):
    _run(app, "k", (6, 3))
    seen = celery.AsyncResult("k")
    assert (("t.div", [6, 3], {}) if extended else (None, [], {})) == (
        seen.name,
        list(seen.args or ()),
        seen.kwargs or {},
    )


def _run(app, task_id, args):
    """Run a task as a host does, its result stored by it; return its state."""
    message = app.amqp.build("t.div", args, {}, {"task_id": task_id}, None)
    job = Job(
        id=1, task="t.div", task_id=task_id, headers=message.headers, body=message.body, properties={},
        content_type=message.content_type, content_encoding=message.content_encoding, delivery_info={},
    )  # fmt: skip
    return app.executor("celery@here")(job).state
