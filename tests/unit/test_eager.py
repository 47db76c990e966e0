"""Tasks that are run by their sender."""

from __future__ import annotations

from datetime import date

import pytest
from sending import recording_app


@pytest.fixture
def app():
    return recording_app()[0]


@pytest.fixture
def add(app):
    @app.task(name="add")
    def add(x, y):
        return x + y

    return add


def test_a_task_is_run_at_once(app, add):
    result = add.apply((1, 2))

    assert (3, "SUCCESS", True) == (result.get(), result.state, result.ready())
    assert [] == app.sender.sent


def test_a_setting_runs_every_send_at_once(app, add):
    app.conf.task_always_eager = True

    assert 3 == add.delay(1, 2).get()
    assert 3 == add.s(1).delay(2).get()
    assert [] == app.sender.sent


def test_arguments_go_through_the_serializer(app):
    """What would fail in a worker fails here."""

    @app.task
    def kind(value):
        return type(value).__name__

    assert "list" == kind.apply(((1, 2),)).get()
    assert "date" == kind.apply((date(2026, 1, 1),)).get()
    with pytest.raises(TypeError, match="cannot be sent"):
        kind.apply((object(),))


def test_a_failure_is_the_results(app):
    """Or is raised to the sender where that is asked for."""

    @app.task
    def fail():
        raise KeyError("no")

    result = fail.apply()
    assert "FAILURE" == result.state
    assert "KeyError" in result.traceback
    with pytest.raises(KeyError, match="no"):
        result.get()
    with pytest.raises(KeyError, match="no"):
        fail.apply(throw=True)
    app.conf.task_eager_propagates = True
    with pytest.raises(KeyError, match="no"):
        fail.apply()
    assert "FAILURE" == fail.apply(throw=False).state


def test_retries_run_at_once(app):
    """With the count of a worker's, whatever their countdown."""
    counts = []

    @app.task(bind=True, max_retries=2)
    def flaky(self):
        counts.append(self.request.retries)
        raise self.retry(countdown=3600, exc=ValueError("still"))

    result = flaky.apply()

    assert [0, 1, 2] == counts
    with pytest.raises(ValueError, match="still"):
        result.get()


def test_links_run_after_it(app, add):
    seen = []

    @app.task
    def note(value):
        seen.append(value)

    assert 3 == add.apply((1, 2), link=[note.s(), add.s(4)]).get()
    assert [3] == seen


def test_the_request_tells_that_it_is_eager(app):
    @app.task(bind=True)
    def tell(self):
        return [self.request.is_eager, self.request.called_directly, self.request.retries, self.request.parent_id]

    assert [True, False, 0, None] == tell.apply().get()


async def test_an_async_task_is_run_from_a_running_loop(app):
    @app.task
    async def add(x, y):
        return x + y

    assert 3 == add.apply((1, 2)).get()
    assert 3 == await add.apply((1, 2))
