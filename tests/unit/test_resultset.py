"""Several results are waited for in one go."""

from __future__ import annotations

import asyncio
import threading

import pytest
from client_fakes import an_app

from kernelq.context import TaskRequest, running
from kernelq.exceptions import TimeoutError
from kernelq.result import AsyncResult
from kernelq.resultset import GroupResult, ResultSet, result_from_tuple

FAILED = {"exc_type": "KeyError", "exc_message": ["a"], "exc_module": "builtins"}


def a_set(count: int = 3, done: int = 3):
    app = an_app()
    for number in range(done):
        app.backend.put(str(number), status="SUCCESS", result=number * 10)
    return ResultSet([AsyncResult(str(number), app) for number in range(count)])


def test_get_returns_all_in_order_with_one_wait():
    results = a_set(100, 100)

    assert [number * 10 for number in range(100)] == results.get(timeout=0)
    assert 1 == len(results.app.backend.waits)


def test_get_waits_for_the_missing_ones_only():
    results = a_set(3, 2)
    thread = threading.Timer(0.05, results.app.backend.put, ("2",), {"status": "SUCCESS", "result": 20})
    thread.start()

    assert [0, 10, 20] == results.join(timeout=10)
    thread.join()
    assert [["0", "1", "2"], ["2"]] == results.app.backend.waits


def test_the_first_failure_is_raised_though_others_are_missing():
    results = a_set(3, 1)
    results.app.backend.put("2", status="FAILURE", result=FAILED)

    with pytest.raises(KeyError):
        results.get(timeout=10)


def test_failures_are_returned_where_nothing_is_propagated():
    results = a_set(2, 1)
    results.app.backend.put("1", status="FAILURE", result=FAILED)

    first, second = results.get(propagate=False)
    assert 0 == first
    assert isinstance(second, KeyError)


def test_the_timeout_is_for_all_together():
    with pytest.raises(TimeoutError, match="1 of 3 results"):
        a_set(3, 2).get(timeout=0.02)


def test_iterate_yields_them_as_they_come():
    results = a_set(3, 0)
    values = results.iterate(timeout=10)
    for name, value in (("2", 20), ("0", 0), ("1", 10)):
        results.app.backend.put(name, status="SUCCESS", result=value)
        assert value == next(values)


def test_the_callback_gets_id_and_value():
    heard: list[object] = []
    a_set(2, 2).get(callback=lambda id, value: heard.append((id, value)))

    assert [("0", 0), ("1", 10)] == heard


def test_counts_and_states():
    results = a_set(3, 2)
    assert (2, True, False, False, False) == (
        results.completed_count(), results.waiting(), results.ready(), results.successful(), results.failed(),
    )  # fmt: skip
    results.app.backend.put("2", status="FAILURE", result=FAILED)

    assert (True, True, False) == (results.ready(), results.failed(), results.successful())


def test_it_is_a_set_in_order():
    app = an_app()
    results = ResultSet([AsyncResult("a", app), AsyncResult("a", app), AsyncResult("b", app)])
    results.add(AsyncResult("b", app))
    results.update([AsyncResult("c", app)])
    results.remove("a")
    results.discard("nothing")

    assert ["b", "c"] == [one.id for one in results]
    with pytest.raises(KeyError):
        results.remove("a")


def test_get_within_a_task_is_refused():
    request = TaskRequest()
    request.called_directly = False
    with running(request), pytest.raises(RuntimeError):
        a_set().get()


def test_an_empty_set_is_done():
    assert [] == ResultSet([]).get(timeout=0)


async def test_it_can_be_awaited():
    results = a_set(3, 2)
    waiting = asyncio.create_task(results.aget(timeout=10))
    await asyncio.sleep(0)
    results.app.backend.put("2", status="SUCCESS", result=20)

    assert [0, 10, 20] == await waiting
    assert [0, 10, 20] == await results


def test_groups_within_a_set_keep_their_shape():
    app = an_app()
    for name in "abc":
        app.backend.put(name, status="SUCCESS", result=name)
    group = GroupResult("g", [AsyncResult("b", app), AsyncResult("c", app)], app)

    assert ["a", ["b", "c"]] == ResultSet([AsyncResult("a", app), group]).get(timeout=0)


def test_a_group_comes_back_from_what_is_stored_of_it():
    app = an_app()
    group = GroupResult("g", [AsyncResult("b", app)], app, AsyncResult("p", app))
    back = result_from_tuple(__import__("json").loads(__import__("json").dumps(group.as_tuple())), app)

    assert group == back
    assert "p" == back.parent.id


def test_what_is_no_stored_result_says_so():
    with pytest.raises(ValueError, match="no stored result"):
        result_from_tuple(7, an_app())


def test_results_that_nobody_keeps_are_none_and_need_no_store():
    app = an_app(backend=None)

    assert [None, None] == ResultSet([AsyncResult(name, app, ignored=True) for name in "ab"]).get(timeout=0)
