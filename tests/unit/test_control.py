"""Remote control speaks pidbox as Celery does: each side understands the other's."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from uuid import uuid4

import celery
import pytest
from client_fakes import an_app
from kombu import Connection
from kombu.pidbox import Mailbox

from kernelq.kernel.errors import BrokerUnreachable


class Node:
    """A worker's mailbox on kombu's memory transport, answering in a thread, as Celery's workers do."""

    def __init__(self, name: str, namespace: str):
        self.seen: list[dict[str, Any]] = []
        self._stop = threading.Event()
        self._ready = threading.Event()
        self.connection = Connection("memory://", transport_options={"polling_interval": 0.005})
        mailbox = Mailbox(namespace, type="fanout", accept=["json"], queue_exclusive=False)
        self.node = mailbox(self.connection).Node(name, state=None, channel=self.connection.channel())
        for command in ("ping", "revoke", "rate_limit", "active", "query_task", "add_consumer", "mine", "shutdown"):
            self.node.handlers[command] = self._answer(command)
        self.thread = threading.Thread(target=self._serve)

    def _answer(self, command: str) -> Any:
        def handler(state: Any, **arguments: Any) -> Any:
            self.seen.append({"command": command, **arguments})
            return {"ok": "pong"} if command == "ping" else {"ok": arguments}

        return handler

    def _serve(self) -> None:
        with self.node.listen(callback=lambda body, message: self.node.handle_message(body, message)):
            self._ready.set()
            while not self._stop.is_set():
                try:
                    self.connection.drain_events(timeout=0.05)
                except TimeoutError:
                    continue

    def __enter__(self) -> Node:
        self.thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self.thread.join()
        self.connection.release()


@pytest.fixture
def namespace() -> str:
    return f"n{uuid4().hex}"


@pytest.fixture
def app(namespace: str) -> Any:
    return an_app(control_exchange=namespace)


@pytest.fixture
def nodes(namespace: str) -> Any:
    with Node("a@h", namespace) as first, Node("b@h", namespace) as second:
        yield first, second


def test_ping_is_answered_by_all(app, nodes):
    assert [{"a@h": {"ok": "pong"}}, {"b@h": {"ok": "pong"}}] == sorted(app.control.ping(timeout=30, limit=2), key=str)


def test_a_destination_gets_it_alone_and_its_answer_ends_the_wait(app, nodes):
    begin = time.monotonic()
    replies = app.control.ping(destination=["b@h"], timeout=30)

    assert [{"b@h": {"ok": "pong"}}] == replies
    assert time.monotonic() - begin < 25
    assert [] == nodes[0].seen


def test_a_limit_ends_the_wait(app, nodes):
    assert 1 == len(app.control.ping(timeout=30, limit=1))


def test_a_pattern_picks_nodes(app, nodes):
    assert [{"a@h": {"ok": "pong"}}] == app.control.ping(timeout=30, limit=1, pattern="a@*", matcher="glob")


def test_inspect_gives_answers_by_node(app, nodes):
    assert {"a@h": {"ok": "pong"}} == app.control.inspect(["a@h"], timeout=30).ping()
    assert {"a@h": {"ok": {"x": 1}}} == app.control.inspect(["a@h"], timeout=30).command("mine", x=1)
    assert {"a@h": {"ok": {"ids": ["t1", "t2"]}}} == app.control.inspect(["a@h"], timeout=30).query_task("t1", "t2")
    assert {"a@h": {"ok": {"ids": ["t1"]}}} == app.control.inspect(["a@h"], timeout=30).query_task(["t1"])


def test_nobody_there_is_none(app):
    assert None is app.control.inspect(timeout=0.05).ping()


def test_what_a_command_carries_is_what_celery_sends(app, nodes, namespace):
    """Celery's own client is the measure."""
    theirs = celery.Celery("x", broker="memory://", set_as_current=False)
    theirs.conf.control_exchange = namespace
    here = {"destination": ["a@h"], "reply": True, "timeout": 30}
    calls: list[Any] = [
        lambda control: control.revoke("t1", **here),
        lambda control: control.revoke(["t1", "t2"], terminate=True, signal="SIGKILL", **here),
        lambda control: control.terminate("t1", **here),
        lambda control: control.rate_limit("app.add", "10/m", **here),
        lambda control: control.add_consumer("video", **here),
        lambda control: control.shutdown(**here),
    ]
    for call in calls:
        call(theirs.control)
        call(app.control)
        mine, other = nodes[0].seen.pop(), nodes[0].seen.pop()
        assert other == mine


def test_a_revoke_that_nobody_keeps_is_told_in_the_log_once(app, nodes, caplog, monkeypatch):
    """As with RabbitMQ and no result store."""
    monkeypatch.setattr(app.control, "notices", lambda: None)

    app.control.ping(timeout=0)
    assert "" == caplog.text
    app.control.revoke("some-id")
    app.control.revoke_group("some-group")

    assert ["revoke reaches only workers that are up now"] == [
        record.getMessage().partition(":")[0] for record in caplog.records
    ]


def test_the_message_has_celerys_fields(app, namespace):
    with Connection("memory://") as connection:
        mailbox = app.control.mailbox()(connection)
        queue = mailbox.get_queue("w@h")(connection.default_channel)
        queue.declare()
        app.control.broadcast("revoke", {"task_id": "t1"}, pattern="w*", matcher="glob")
        message = queue.get(no_ack=True)

    body = json.loads(message.body)
    assert {"method": "revoke", "arguments": {"task_id": "t1"}, "destination": None, "pattern": "w*",
            "matcher": "glob"} == body  # fmt: skip
    assert {"clock", "expires"} <= set(message.headers)


def test_a_destination_that_is_one_string_is_refused(app):
    with pytest.raises(TypeError, match=r"type destination=\['w@h'\]"):
        app.control.ping(destination="w@h")
    with pytest.raises(TypeError, match="list of node names"):
        app.control.inspect("w@h")


def test_a_pattern_without_a_matcher_is_refused(app):
    with pytest.raises(TypeError, match="go together"):
        app.control.ping(pattern="w*")


def test_a_broker_that_is_away_raises_within_the_timeout(app, monkeypatch):
    app.conf.broker_connection_timeout = 1
    monkeypatch.setattr(app.transport, "connection", lambda: Connection("amqp://127.0.0.1:1//"))
    begin = time.monotonic()
    with pytest.raises(BrokerUnreachable, match="ping"):
        app.control.ping()

    assert time.monotonic() - begin < 20, "kombu tries a hundred times by itself"


def test_purge_empties_the_queues_of_the_settings(app, monkeypatch):
    class Admin:
        def purge(self, queue: str) -> int:
            return {"celery": 3, "video": 4}[queue]

    monkeypatch.setattr(app.transport, "admin", Admin, raising=False)

    assert (3, 7) == (app.control.purge(), app.control.purge(["celery", "video"]))
