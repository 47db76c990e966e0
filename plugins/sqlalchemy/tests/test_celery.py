"""Celery reads what KernelQ stores, and KernelQ what Celery stores, with the Celery that is installed."""

from __future__ import annotations

import warnings

import pytest
import sqlalchemy as sa
from celery import Celery, states
from celery.backends.database import DatabaseBackend as CeleryBackend
from celery.result import GroupResult

from kernelq import KernelQ
from kernelq.exceptions import TimeoutError
from kernelq.kernel.contracts.backend import Placement
from kernelq_sqlalchemy.location import locate

pytestmark = pytest.mark.broker


class Request:
    """What Celery's worker hands to its store."""

    id = task = "t.add"
    args, kwargs = [1, 2], {"k": "ü"}
    hostname, retries = "celery@h", 2
    delivery_info = {"routing_key": "q"}
    group = parent_id = chord = None
    children = []
    ignore_result = False
    stamped_headers, stamps = ["who"], {"who": "me"}


@pytest.fixture(params=[False, True], ids=["plain", "extended"])
def extended(request):
    return request.param


@pytest.fixture
def celery(url, extended):
    app = Celery("c", set_as_current=False, backend=f"db+{_shown(url)}")
    app.conf.update(result_extended=extended)
    yield app
    app.backend.session_manager.invalidate(app.backend.url)
    app.close()


@pytest.fixture
def app(url, extended):
    with KernelQ("k", backend=url, broker="memory://", result_extended=extended) as app:

        @app.task(name="t.div")
        def div(a, b):
            return {"quotient": a / b, "ü": [None, True]}

        yield app


def _shown(url):
    return locate(url).url.render_as_string(hide_password=False)


@pytest.mark.parametrize("first", ["celery", "kernelq"])
def test_results_go_both_ways_whoever_makes_the_tables(app, celery, first):
    store: CeleryBackend = celery.backend
    if first == "kernelq":
        app.backend.get("x")
    store.store_result("c1", {"n": [1, "ü"]}, states.SUCCESS, request=Request())
    try:
        raise KeyError("lost")
    except KeyError as error:
        store.store_result("c2", error, states.FAILURE, traceback="Traceback: lost", request=Request())
    writer = _run(app, "k1", (6, 3)), _run(app, "k2", (6, 0))

    assert writer == ("SUCCESS", "FAILURE")
    assert {"n": [1, "ü"]} == app.AsyncResult("c1").get(timeout=30)
    with pytest.raises(KeyError, match="lost"):
        app.AsyncResult("c2").get(timeout=30)
    assert "Traceback: lost" == app.AsyncResult("c2").traceback
    assert {"quotient": 2.0, "ü": [None, True]} == celery.AsyncResult("k1").get(timeout=30)
    with pytest.raises(ZeroDivisionError):
        celery.AsyncResult("k2").get(timeout=30)
    assert "ZeroDivisionError" in celery.AsyncResult("k2").traceback
    assert celery.AsyncResult("k1").date_done is not None


def test_neither_overwrites_a_success_of_the_other(app, celery):
    celery.backend.store_result("one", "celery", states.SUCCESS)
    _run(app, "one", (6, 0))
    assert "celery" == app.AsyncResult("one").get(timeout=30)
    _run(app, "two", (6, 3))
    celery.backend.store_result("two", "late", states.FAILURE)
    assert 2.0 == celery.AsyncResult("two").get(timeout=30)["quotient"]


def test_extended_results_tell_both_the_name_and_the_arguments(app, celery, extended):
    if not extended:
        return
    celery.backend.store_result("c", 1, states.SUCCESS, request=Request())
    _run(app, "k", (6, 3))

    theirs, ours = celery.AsyncResult("k"), app.AsyncResult("c")
    assert ("t.div", [6, 3], {}) == (theirs.name, list(theirs.args), theirs.kwargs)
    assert ("t.add", [1, 2], {"k": "ü"}) == (ours.name, list(ours.args), ours.kwargs)


def test_groups_that_celery_saves_stay_beside(app, celery):
    group = GroupResult("g", [celery.AsyncResult("a")], app=celery)
    celery.backend.save_group("g", group)
    app.backend.get("a")
    assert ["a"] == [one.id for one in celery.backend.restore_group("g").results]


def test_celery_forgets_and_cleans_what_is_ours(app, celery):
    _run(app, "k", (6, 3))
    celery.AsyncResult("k").forget()
    with pytest.raises(TimeoutError):
        app.AsyncResult("k").get(timeout=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        celery.backend.cleanup()


def test_times_are_utc_on_both_sides(app, celery, database):
    """A row of either is a few seconds old, by the clock in UTC."""
    celery.backend.store_result("c", 1, states.SUCCESS)
    _run(app, "k", (6, 3))
    with database.connect() as db:
        (theirs,), (ours,) = db.execute(sa.text("SELECT date_done FROM celery_taskmeta ORDER BY task_id")).all()
    assert abs(_moment(theirs) - _moment(ours)) < 60


def _moment(value):
    from datetime import datetime

    return (datetime.fromisoformat(value) if isinstance(value, str) else value).timestamp()


def _run(app, task_id, args):
    """Run a task as a host does, its result stored by it."""
    from kernelq.job import Job

    assert app.backend.placement is Placement.HOST
    message = app.amqp.build("t.div", args, {}, {"task_id": task_id}, None)
    job = Job(
        id=1, task="t.div", task_id=task_id, headers=message.headers, body=message.body, properties={},
        content_type=message.content_type, content_encoding=message.content_encoding, delivery_info={},
    )  # fmt: skip
    outcome = app.executor("celery@here")(job)
    assert None is outcome.record
    return outcome.state
