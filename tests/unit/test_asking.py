"""One question and its answers: when the wait ends, and what is no answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.entity import Exchange
from kombu.messaging import Producer

from kernelq import KernelQ
from kernelq.asking import Call, Inbox
from kernelq.clock import Clock


def message(**headers: Any) -> Any:
    return SimpleNamespace(headers=headers)


@pytest.mark.parametrize(
    ("call", "reached", "expected"),
    [
        (Call("ping", {}), None, None),
        (Call("ping", {}), 3, 3),
        (Call("ping", {}), 0, 0),
        (Call("ping", {}, limit=2), 3, 2),
        (Call("ping", {}, ["a@h", "b@h", "a@h"]), 3, 2),
        (Call("ping", {}, pattern="a*", matcher="glob"), 3, None),
        (Call("ping", {}, pattern="a*", matcher="glob"), 0, 0),
    ],
)
def test_how_many_answers_there_can_be(call: Call, reached: int | None, expected: int | None) -> None:
    """None: nobody knows, so the timeout ends the wait."""
    assert expected == call.expected(reached)


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (Call("ping", {}), {"b@h", "w1@h"}),
        (Call("ping", {}, pattern="w*", matcher="glob"), {"w1@h"}),
        (Call("ping", {}, pattern="^[bc]@", matcher="pcre"), {"b@h"}),
    ],
    ids=["all", "glob", "pcre"],
)
def test_those_are_missing_that_others_know_and_that_have_not_answered(call: Call, missing: set[str]) -> None:
    inbox = Inbox(Clock(), "mine", None)

    inbox.take({"a@h": 1}, message(nodes=["a@h", "b@h", "w1@h"]))
    inbox.take({"c@h": 1}, message(nodes=["c@h", "a@h", 5]))
    inbox.take({"d@h": 1}, message(nodes="nonsense"))

    assert missing == inbox.missing(call)


def test_answers_to_other_questions_are_dropped_and_move_the_clock_on() -> None:
    told: list[Any] = []
    inbox = Inbox(Clock(), "mine", told.append)

    inbox.take({"a@h": 1}, message(ticket="other", clock=40))
    inbox.take({"a@h": 2}, message(ticket="mine", clock=50))

    assert [{"a@h": 2}] == inbox.replies == told
    assert inbox._clock.value > 50


@pytest.mark.parametrize("body", [None, 5, "text", ["a"]])
def test_what_is_no_answer_is_dropped_and_told(body: Any, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox(Clock(), "mine", None)

    inbox.take(body, message(ticket="mine", clock="none"))
    inbox.take({"a@h": 1}, SimpleNamespace(headers=None))

    assert [{"a@h": 1}] == inbox.replies
    assert "a control reply is no mapping" in caplog.text


@pytest.fixture
def app() -> Iterator[KernelQ]:
    with KernelQ("asking", broker="memory://") as app:
        yield app


def test_where_nobody_listens_nobody_is_waited_for(app: KernelQ) -> None:
    """The broker tells how many got the command."""
    began = time.monotonic()

    assert [] == app.control.broadcast("ping", reply=True, timeout=600)
    assert time.monotonic() - began < 60


@pytest.fixture
def answering(app: KernelQ) -> Any:
    """A function that asks where the node "a@h" answers at once, and names "b@h" too; it takes who is there."""
    from kernelq.asking import ask

    def run(*attended: str, timeout: float = 600) -> tuple[list[Any] | None, list[str]]:
        looked: list[str] = []

        def count(channel: Any) -> Any:
            return lambda: None

        def is_attended(connection: Any, queue: str) -> bool:
            looked.append(queue)
            return queue in attended

        with app.transport.connection() as connection:
            mailbox = app.control.mailbox()(connection)
            publish = mailbox._publish

            def answer(*arguments: Any, reply_ticket: Any = None, **more: Any) -> Any:
                headers = {"ticket": reply_ticket, "clock": 1, "nodes": ["a@h", "b@h"]}
                exchange = Exchange("reply.celery.pidbox", type="direct", durable=False)
                Producer(connection.channel(), exchange).publish(
                    {"a@h": 1}, routing_key=mailbox.oid, headers=headers, serializer="json"
                )
                return publish(*arguments, reply_ticket=reply_ticket, **more)

            mailbox._publish = answer
            return ask(mailbox, Call("ping", {}, reply=True, timeout=timeout), count, is_attended), looked

    return run


def test_one_that_is_known_and_gone_is_not_waited_for(answering: Any) -> None:
    began = time.monotonic()

    assert ([{"a@h": 1}], ["b@h.celery.pidbox"]) == answering()
    assert time.monotonic() - began < 60


def test_one_that_is_known_and_there_is_waited_for(answering: Any) -> None:
    """Until the timeout; whether it is there is asked less and less often."""
    replies, looked = answering("b@h.celery.pidbox", timeout=1.0)

    assert [{"a@h": 1}] == replies
    assert 1 < len(looked) < 5


def test_a_reply_that_cannot_be_decoded_ends_nothing(app: KernelQ, caplog: pytest.LogCaptureFixture) -> None:
    """Pickle is refused before a byte of it is interpreted."""
    evil = b"cos\nsystem\n(S'false'\ntR."

    def answer(mailbox: Any) -> None:
        options = {"content_type": "application/x-python-serialize", "content_encoding": "binary"}
        Producer(mailbox.connection.channel(), Exchange("reply.celery.pidbox", type="direct", durable=False)).publish(
            evil, routing_key=mailbox.oid, **options
        )

    from kernelq.asking import ask

    with app.transport.connection() as connection:
        mailbox = app.control.mailbox()(connection)

        def count(channel: Any) -> Any:
            answer(mailbox)
            return lambda: 1

        assert [] == ask(mailbox, Call("ping", {}, reply=True, timeout=0.2), count)
    assert "a control reply cannot be read" in caplog.text
