"""What is around a task's call: hooks, handlers, retries."""

from __future__ import annotations

from typing import Any

import pytest
from client_fakes import a_job, an_app, meta_of

from kernelq.delivery import Verdict
from kernelq.exceptions import Ignore, TimeLimitInterrupt
from kernelq.kernel.hooks import hookimpl
from kernelq.task import Task

HOOKS = ("task_prerun", "task_postrun", "task_success", "task_failure", "task_retry", "task_internal_error")


def listening_app(**settings: Any) -> tuple[Any, list[str]]:
    app, heard = an_app(**settings), []

    class Plugin:
        @hookimpl
        def task_prerun(self, task_id):
            heard.append("prerun")

        @hookimpl
        def task_postrun(self, state):
            heard.append(f"postrun {state}")

        @hookimpl
        def task_success(self, result):
            heard.append(f"success {result}")

        @hookimpl
        def task_failure(self, exception, einfo):
            heard.append(f"failure {exception!r} {einfo.splitlines()[-1]}")

        @hookimpl
        def task_retry(self, reason):
            heard.append(f"retry {reason.exc!r}")

    app.register(Plugin())
    return app, heard


def run(task: Any, *args: Any, **options: Any) -> Any:
    return task.app.executor("w@h")(a_job(task, *args, **options))


def test_a_success_is_told_in_order():
    app, heard = listening_app()
    run(app.task(lambda: 3))

    assert ["prerun", "success 3", "postrun SUCCESS"] == heard


def test_a_failure_is_told_in_order():
    app, heard = listening_app()

    @app.task
    def broken() -> None:
        raise ValueError("no")

    run(broken)

    assert ["prerun", "failure ValueError('no') ValueError: no", "postrun FAILURE"] == heard


def test_a_retry_is_told_in_order():
    app, heard = listening_app()

    @app.task(bind=True)
    def again(self) -> None:
        self.retry(exc=ValueError("no"))

    run(again)

    assert ["prerun", "retry ValueError('no')", "postrun RETRY"] == heard


def test_a_decision_of_the_task_is_told_too():
    app, heard = listening_app()

    @app.task
    def ignored() -> None:
        raise Ignore

    run(ignored)

    assert ["prerun", "postrun IGNORED"] == heard


def test_the_handlers_of_the_tasks_class_are_called_and_cannot_change_the_outcome():
    called: list[str] = []

    class Watched(Task):  # type: ignore[type-arg]
        def before_start(self, task_id, args, kwargs):
            called.append("before")

        def on_success(self, retval, task_id, args, kwargs):
            called.append("success")
            raise SystemExit

        def on_failure(self, exc, task_id, args, kwargs, einfo):
            called.append(f"failure {einfo.traceback.splitlines()[-1]}")

        def after_return(self, status, retval, task_id, args, kwargs, einfo):
            called.append(f"after {status}")

    app = an_app()

    @app.task(base=Watched)
    def half(x: int) -> float:
        return 1 / x

    assert "SUCCESS" == run(half, 1).state
    assert "FAILURE" == run(half, 0).state
    assert ["before", "success", "after SUCCESS", "before", "failure ZeroDivisionError: division by zero",
            "after FAILURE"] == called  # fmt: skip


def test_a_retry_is_the_same_message_with_one_retry_more():
    app = an_app()

    @app.task(bind=True)
    def again(self, x: int) -> None:
        self.retry(countdown=30, exc=ValueError("no"))

    job = a_job(again, 1, options={"priority": 7})
    outcome = app.executor("w@h")(job)

    (message,) = outcome.messages
    assert ("RETRY", Verdict.ACK) == (outcome.state, outcome.verdict)
    assert (job.task_id, 1, job.body, "celery", 7) == (
        message.id, message.headers["retries"], message.body, message.queue, message.priority,
    )  # fmt: skip
    assert message.eta == pytest.approx(__import__("time").time() + 30, abs=5)
    assert message.headers["eta"].endswith("+00:00")
    assert ("RETRY", "ValueError") == (meta_of(outcome)["status"], meta_of(outcome)["result"]["exc_type"])


def test_a_retry_with_new_arguments_carries_them():
    app = an_app()

    @app.task(bind=True)
    def again(self, x: int) -> None:
        self.retry(args=(x + 1,), countdown=0)

    (message,) = run(again, 1).messages

    assert b"[[2], {}, " == message.body[:10]
    assert "(2,)" == message.headers["argsrepr"]


def test_retries_that_are_used_up_raise_the_cause():
    app = an_app()

    @app.task(bind=True, max_retries=2)
    def again(self) -> None:
        self.retry(exc=ValueError("no"))

    assert "RETRY" == run(again, options={"retries": 1}).state
    outcome = run(again, options={"retries": 2})
    assert ("FAILURE", "ValueError") == (outcome.state, meta_of(outcome)["result"]["exc_type"])


def test_autoretry_takes_the_listed_exceptions_but_not_those_excepted():
    app = an_app()

    once = {"max_retries": 1, "countdown": 0}

    @app.task(autoretry_for=(Exception,), dont_autoretry_for=(KeyError,), retry_kwargs=once)
    def failing(kind: str) -> None:
        raise {"value": ValueError, "key": KeyError, "ignore": Ignore}[kind]("no")

    assert "RETRY" == run(failing, "value").state
    assert "FAILURE" == run(failing, "key").state
    assert "IGNORED" == run(failing, "ignore").state
    assert "FAILURE" == run(failing, "value", options={"retries": 1}).state


def test_a_hard_time_limit_is_told_as_a_failure_and_never_retried():
    app, heard = listening_app()

    @app.task(autoretry_for=(BaseException,))
    def slow() -> None:
        raise TimeLimitInterrupt

    @app.task
    def errback() -> None: ...

    outcome = run(slow, options={"time_limit": 3.0, "link_error": [errback.s()]})

    assert "FAILURE" == outcome.state
    assert ["prerun", "failure TimeLimitExceeded(3.0) kernelq.exceptions.TimeLimitExceeded: TimeLimitExceeded(3.0,)",
            "postrun FAILURE"] == heard  # fmt: skip
    assert [errback.name] == [message.headers["task"] for message in outcome.messages]


def test_backoff_sets_the_time_of_the_retry():
    app = an_app()

    @app.task(autoretry_for=(ValueError,), retry_backoff=10, retry_jitter=False, max_retries=None)
    def failing() -> None:
        raise ValueError

    (message,) = run(failing, options={"retries": 3}).messages

    assert message.eta == pytest.approx(__import__("time").time() + 80, abs=5)


def test_ignored_results_are_not_stored_but_errors_are_where_asked():
    app = an_app()

    @app.task(ignore_result=True)
    def quiet(x: int) -> float:
        return 1 / x

    @app.task(ignore_result=True, store_errors_even_if_ignored=True)
    def loud(x: int) -> float:
        return 1 / x

    assert run(quiet, 1).record is None
    assert run(quiet, 0).record is None
    assert run(loud, 1).record is None
    assert "FAILURE" == meta_of(run(loud, 0))["status"]


def test_the_sender_decides_whether_the_result_is_ignored():
    app = an_app()

    @app.task(ignore_result=True)
    def quiet() -> int:
        return 1

    assert 1 == meta_of(run(quiet, options={"ignore_result": False}))["result"]


def test_a_retry_of_a_message_from_a_named_exchange_goes_back_the_same_way():
    import attrs

    app = an_app()

    @app.task(bind=True)
    def again(self) -> None:
        self.retry(countdown=0)

    job = attrs.evolve(a_job(again), delivery_info={"exchange": "media", "routing_key": "video.big"})
    (message,) = app.executor("w@h")(job).messages

    assert ("media", "video.big") == (message.exchange, message.routing_key)


def test_an_error_around_the_task_is_told_and_is_a_failure(monkeypatch):
    heard: list[Any] = []

    class Plugin:
        @hookimpl
        def task_internal_error(self, exception):
            heard.append(exception)

    app = an_app()
    app.register(Plugin())
    task = app.task(lambda: 3)
    executor = app.executor("w@h")
    job = a_job(task)
    executor(job)
    tracer = executor._tracers[task.name]
    monkeypatch.setattr(type(tracer), "succeeded", lambda *args: 1 / 0)

    assert "FAILURE" == executor(job).state
    assert [ZeroDivisionError] == [type(one) for one in heard]
