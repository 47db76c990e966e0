"""When a task runs again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelq.context import TaskRequest
from kernelq.exceptions import MaxRetriesExceededError, Retry
from kernelq.retry import automatic, backoff, decide


def a_task(**options):
    return SimpleNamespace(**{"name": "app.add", "max_retries": 3, "default_retry_delay": 180, **options})


def a_request(retries: int = 0):
    request = TaskRequest({"retries": retries, "id": "t1"})
    request.called_directly = False
    return request


def test_backoff_doubles_up_to_its_maximum():
    assert [2, 4, 8, 16, 20, 20] == [backoff(2, number, 20, jitter=False) for number in range(6)]


@given(st.integers(-5, 10_000), st.floats(0, 1e6), st.integers(-5, 10_000_000))
def test_backoff_stays_in_its_bounds(maximum, factor, retries):
    assert 0 <= backoff(factor, retries, maximum) <= max(0, maximum)


def test_jitter_spreads():
    assert len({backoff(60, 3, 600) for _ in range(50)}) > 5


def test_the_tasks_own_delay_counts_where_none_is_given():
    assert 180 == decide(a_task(), a_request()).when
    assert 7 == decide(a_task(), a_request(), countdown=7).when
    assert 0 == decide(a_task(), a_request(), countdown=0).when


def test_used_up_retries_raise_the_cause_or_say_so():
    with pytest.raises(ValueError, match="no"):
        decide(a_task(), a_request(3), exc=ValueError("no"))
    with pytest.raises(MaxRetriesExceededError, match="app.add"):
        decide(a_task(), a_request(3))
    assert isinstance(decide(a_task(max_retries=None), a_request(10_000)), Retry)


def test_a_call_may_set_its_own_limit():
    assert isinstance(decide(a_task(), a_request(3), max_retries=4), Retry)


def test_outside_a_worker_nothing_is_sent_again():
    with pytest.raises(ValueError, match="no"):
        decide(a_task(), TaskRequest(), exc=ValueError("no"))
    with pytest.raises(Retry):
        decide(a_task(), TaskRequest())


def test_an_automatic_retry_ends_with_the_limit():
    error = ValueError()

    assert isinstance(automatic(a_task(), a_request(2), error), Retry)
    assert None is automatic(a_task(), a_request(3), error)
