"""What follows a task is published with its outcome."""

from __future__ import annotations

import json
from typing import Any

import attrs
from client_fakes import a_job, an_app, meta_of, raw_job

APP = an_app()


@APP.task(name="app.add")
def add(x: int, y: int = 0) -> int:
    return x + y


@APP.task(name="app.fail")
def fail() -> None:
    raise ValueError("no")


CALLED: list[Any] = []


@APP.task(name="app.errback")
def errback(request: Any, exc: BaseException, traceback: str) -> None:
    CALLED.append((request.id, type(exc), traceback.splitlines()[-1]))


def run(job: Any) -> Any:
    return APP.executor("w@h")(job)


def args_of(message: Any) -> Any:
    return json.loads(message.body)[0]


def test_a_link_gets_the_result_first_and_becomes_a_child():
    job = a_job(add, 1, 2, options={"link": [add.s(10)]})
    outcome = run(job)

    (message,) = outcome.messages
    assert [3, 10] == args_of(message)
    assert (job.task_id, job.task_id) == (message.headers["parent_id"], message.headers["root_id"])
    assert [[[message.id, None], None]] == meta_of(outcome)["children"]


def test_an_immutable_link_gets_its_own_arguments_only():
    (message,) = run(a_job(add, 1, 2, options={"link": [add.si(10)]})).messages

    assert [10] == args_of(message)


def test_the_last_of_the_embedded_chain_is_next_and_carries_the_rest():
    chain = [dict(add.s(100)), dict(add.s(10))]
    (message,) = run(a_job(add, 1, 2, options={"chain": chain})).messages

    assert [3, 10] == args_of(message)
    assert ["app.add"] == [one["task"] for one in json.loads(message.body)[2]["chain"]]


def test_a_link_that_is_a_chain_sends_its_first_and_embeds_the_rest():
    (message,) = run(a_job(add, 1, 2, options={"link": [add.s(1) | add.s(2) | add.s(3)]})).messages

    assert [3, 1] == args_of(message)
    assert [[3], [2]] == [one["args"] for one in json.loads(message.body)[2]["chain"]]


def test_a_group_from_a_celery_sender_sends_every_part():
    group = {"task": "celery.group", "args": [], "kwargs": {"tasks": [dict(add.s(1)), dict(add.s(2))]}, "options": {},
             "subtask_type": "group", "immutable": False}  # fmt: skip
    body = json.dumps([[1, 2], {}, {"callbacks": [group]}]).encode()

    assert [[3, 1], [3, 2]] == [args_of(one) for one in run(raw_job(body)).messages]


def test_a_link_that_is_no_signature_fails_the_task_with_its_name():
    body = json.dumps([[1, 2], {}, {"callbacks": [7]}]).encode()
    outcome = run(raw_job(body))

    assert "FAILURE" == outcome.state
    assert "InvalidTaskError" in outcome.detail


def test_an_option_of_a_link_that_nobody_knows_is_left_out():
    link = {**add.s(1), "options": {"from_the_future": 1, "task_id": "x1"}}
    body = json.dumps([[1, 2], {}, {"callbacks": [link]}]).encode()

    assert ["x1"] == [one.id for one in run(raw_job(body)).messages]


def test_an_errback_that_takes_three_arguments_is_called_here_and_others_are_sent_the_id():
    job = a_job(fail, options={"link_error": [errback.s(), add.s()]})
    outcome = run(job)

    assert [(job.task_id, ValueError, "ValueError: no")] == CALLED
    assert [[job.task_id]] == [args_of(one) for one in outcome.messages]


def test_an_errback_is_not_sent_after_a_success():
    assert () == run(a_job(add, 1, options={"link_error": [add.s()]})).messages


def test_a_retry_keeps_what_is_embedded_and_drops_what_a_broker_added():
    app = an_app()

    @app.task(bind=True)
    def again(self) -> None:
        self.retry(countdown=0, args=())

    job = a_job(again, options={"link": [again.s()], "headers": {"mine": 1}})
    job = attrs.evolve(job, headers={**job.headers, "x-death": [{}]})
    (message,) = app.executor("w@h")(job).messages

    assert [again.name] == [one["task"] for one in json.loads(message.body)[2]["callbacks"]]
    assert 1 == message.headers["mine"]
    assert "x-death" not in message.headers
