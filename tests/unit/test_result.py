"""Results are waited for without polling, and tell the truth about their task."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest
from client_fakes import an_app

from kernelq.context import TaskRequest, running
from kernelq.exceptions import IncompleteStream, NoResultBackend, RemoteError, TimeoutError
from kernelq.result import AsyncResult, EagerResult, RemoteTraceback, allow_join_result

FAILED = {"exc_type": "KeyError", "exc_message": ["a"], "exc_module": "builtins"}


def a_result(id: str = "t1", **stored):
    app = an_app()
    if stored:
        app.backend.put(id, **stored)
    return AsyncResult(id, app)


def in_a_task():
    request = TaskRequest({"id": "outer"})
    request.called_directly = False
    return running(request)


def test_get_returns_what_is_stored_already():
    assert 3 == a_result(status="SUCCESS", result=3).get(timeout=0)


def test_get_is_woken_when_the_result_is_stored():
    result = a_result()
    thread = threading.Timer(0.05, result.app.backend.put, ("t1",), {"status": "SUCCESS", "result": 3})
    thread.start()

    assert 3 == result.get(timeout=30)
    thread.join()


def test_get_raises_what_the_task_raised_with_the_traceback_of_the_worker():
    error = {"exc_type": "KeyError", "exc_message": ["a"], "exc_module": "builtins"}
    result = a_result(status="FAILURE", result=error, traceback="Traceback of the worker")

    with pytest.raises(KeyError) as raised:
        result.get()
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "Traceback of the worker" in str(raised.value.__cause__)
    assert isinstance(result.get(propagate=False), KeyError)
    assert (True, True, False) == (result.failed(), result.ready(), result.successful())


def test_get_raises_a_revoke():
    error = {"exc_type": "TaskRevokedError", "exc_message": ["terminated"], "exc_module": "celery.exceptions"}

    with pytest.raises(Exception, match="terminated"):
        a_result(status="REVOKED", result=error).get()


def test_get_gives_up_after_its_timeout_and_the_error_is_a_builtin_timeout_too():
    with pytest.raises(TimeoutError, match="within 0.01 seconds: t1"):
        a_result().get(timeout=0.01)


def test_get_within_a_task_is_refused_unless_allowed():
    result = a_result(status="SUCCESS", result=3)
    with in_a_task():
        with pytest.raises(RuntimeError, match=r"Never call result.get\(\) within a task"):
            result.get()
        assert 3 == result.get(disable_sync_subtasks=False)
        with allow_join_result():
            assert 3 == result.get()


def test_a_failure_earlier_in_the_chain_is_raised_at_once():
    app = an_app()
    first, last = AsyncResult("first", app), AsyncResult("last", app)
    last.parent = first
    app.backend.put("first", status="FAILURE", result=FAILED)

    with pytest.raises(KeyError):
        last.get(timeout=30)
    with pytest.raises(TimeoutError):
        last.get(timeout=0.01, follow_parents=False)


def test_a_success_earlier_in_the_chain_is_waited_past():
    app = an_app()
    first, last = AsyncResult("first", app), AsyncResult("last", app)
    last.parent = first
    app.backend.put("first", status="SUCCESS", result=1)
    thread = threading.Timer(0.05, app.backend.put, ("last",), {"status": "SUCCESS", "result": 2})
    thread.start()

    assert 2 == last.get(timeout=30)
    thread.join()
    assert ["last"] == app.backend.waits[-1]


def test_a_final_result_is_asked_for_once():
    result = a_result(status="SUCCESS", result=3)
    assert "SUCCESS" == result.state
    result.app.backend.payloads.clear()

    assert (3, "SUCCESS") == (result.get(timeout=0), result.status)


def test_an_unknown_id_is_pending_and_a_running_one_may_change():
    result = a_result()
    assert ("PENDING", False, False) == (result.state, result.ready(), result.exists())
    result.app.backend.put("t1", status="PROGRESS", result={"done": 5})

    assert ("PROGRESS", {"done": 5}, True) == (result.state, result.info, result.exists())


def test_extended_results_show_the_call():
    result = a_result(status="SUCCESS", result=3, name="app.add", args=[1, 2], kwargs={}, worker="w@h", retries=1,
                      queue="celery", date_done="2026-01-02T03:04:05+00:00")  # fmt: skip

    assert ("app.add", [1, 2], {}, "w@h", 1, "celery") == (
        result.name, result.args, result.kwargs, result.worker, result.retries, result.queue,
    )  # fmt: skip
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == result.date_done


def test_children_are_results_again_and_can_be_followed():
    app = an_app()
    stored = [[["b", None], None], [["g", None], [[["c", None], None]]]]
    app.backend.put("a", status="SUCCESS", result=1, children=stored)
    app.backend.put("b", status="SUCCESS", result=2)
    app.backend.put("c", status="SUCCESS", result=3)
    result = AsyncResult("a", app)

    single, group = result.children
    assert ("b", "g", ["c"]) == (single.id, group.id, [one.id for one in group])
    assert [1, 2, [3], 3] == [value for _, value in result.collect()]


def test_following_stops_at_what_is_not_ready():
    app = an_app()
    app.backend.put("a", status="SUCCESS", result=1, children=[[["b", None], None]])

    with pytest.raises(IncompleteStream):
        list(AsyncResult("a", app).iterdeps())


def test_then_is_called_when_the_result_is_known():
    heard: list[str] = []
    result = a_result()
    result.then(lambda one: heard.append(f"ok {one.result}"), lambda one: heard.append("failed"))
    result.app.backend.put("t1", status="SUCCESS", result=3)
    assert [] == heard
    result.get()
    result.then(lambda one: heard.append("late"))

    assert ["ok 3", "late"] == heard


def test_then_calls_the_other_after_a_failure():
    heard: list[str] = []
    result = a_result(status="FAILURE", result={"exc_type": "KeyError", "exc_message": [], "exc_module": "builtins"})
    result.then(lambda one: heard.append("ok"), lambda one: heard.append("failed"))
    result.ready()

    assert ["failed"] == heard


def test_results_are_equal_by_id():
    app = an_app()

    assert AsyncResult("a", app) == AsyncResult("a", app) == "a"
    assert 1 == len({AsyncResult("a", app), AsyncResult("a", app)})
    assert (("a", (("b", None), None)), None) == AsyncResult("a", app, parent=AsyncResult("b", app)).as_tuple()


def test_forget_deletes_it_and_those_before_it():
    app = an_app()
    app.backend.put("a", status="SUCCESS", result=1)
    app.backend.put("b", status="SUCCESS", result=1)
    AsyncResult("b", app, parent=AsyncResult("a", app)).forget()

    assert {} == app.backend.payloads


def test_without_a_store_the_error_tells_what_to_type():
    with pytest.raises(NoResultBackend, match="result_backend='sqlite:///kernelq.db'"):
        AsyncResult("t1", an_app(backend=None)).get()


def test_an_ignored_result_is_none_at_once():
    assert None is AsyncResult("t1", an_app(backend=None), ignored=True).get()


def test_a_stored_failure_that_names_a_function_is_raised_as_data():
    stored = {"exc_type": "system", "exc_message": "false", "exc_module": "os"}
    with pytest.raises(RemoteError, match=r"os\.system: false"):
        a_result(status="FAILURE", result=stored).get()


async def test_await_and_aget_wait_without_blocking_the_loop():
    result = a_result()
    waiting = asyncio.create_task(result.aget(timeout=30))
    await asyncio.sleep(0)
    result.app.backend.put("t1", status="SUCCESS", result=3)

    assert 3 == await waiting
    assert 3 == await result


async def test_a_cancelled_wait_leaves_nothing_behind():
    result = a_result()
    threads = threading.active_count()
    waiting = asyncio.create_task(result.aget())
    await asyncio.sleep(0)
    assert 1 == len(result.app.backend.waiters)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert [] == result.app.backend.waiters
    assert threads >= threading.active_count()


async def test_aget_gives_up_after_its_timeout():
    with pytest.raises(TimeoutError):
        await a_result().aget(timeout=0.01)


def test_an_eager_result_has_the_same_api():
    app = an_app(backend=None)
    good = EagerResult("a", app, 3, "SUCCESS", name="app.add")
    bad = EagerResult("b", app, KeyError("x"), "FAILURE", "tb")

    assert (3, True, "SUCCESS", "app.add", []) == (good.get(), good.ready(), good.state, good.name, good.children)
    with pytest.raises(KeyError):
        bad.get()
    assert isinstance(bad.get(propagate=False), KeyError)
    assert "tb" == bad.traceback


async def test_an_eager_result_can_be_awaited():
    assert 3 == await EagerResult("a", an_app(backend=None), 3, "SUCCESS")
