"""Task messages: errors, times, inheritance. That they are Celery's is held by the golden tests."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from sending import recording_app

from kernelq import amqp
from kernelq.context import TaskRequest, running
from kernelq.kernel.errors import ConfigurationError
from kernelq.serialization import EncodeError


@pytest.fixture
def app():
    return recording_app()[0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"contdown": 3}, TypeError, "Did you mean 'countdown'"),
        ({"priority": 10}, ValueError, "0 to 9"),
        ({"priority": "high"}, ValueError, "0 to 9"),
        ({"eta": 5}, TypeError, "countdown"),
        ({"eta": "tomorrow"}, ValueError, "tomorrow"),
        ({"countdown": 1e30}, ValueError, "out of range"),
        ({"expires": ["soon"]}, TypeError, "expires"),
        ({"task_id": ""}, ValueError, "printable"),
        ({"task_id": "x" * 256}, ValueError, "printable"),
        ({"task_id": "a\nb"}, ValueError, "printable"),
        ({"serializer": "jsn"}, ConfigurationError, "json"),
        ({"compression": "gz"}, ConfigurationError, "gzip"),
    ],
    ids=str,
)
def test_a_wrong_option_is_an_error(app, options, error, words):
    """It names what was wrong, and nothing is sent."""
    with pytest.raises(error, match=words):
        app.send_task("pack", **options)
    assert [] == app.sender.sent


@pytest.mark.parametrize("args", ["text", {"a": 1}, 5])
def test_args_that_are_no_sequence_are_an_error(app, args):
    with pytest.raises(TypeError, match="list or a tuple"):
        app.send_task("pack", args)


def test_an_argument_that_cannot_be_written_is_an_error(app):
    """Also on the short way."""

    @app.task(name="pack")
    def pack(x): ...

    for send in (lambda: pack.delay(object()), lambda: pack.apply_async((object(),), countdown=1)):
        with pytest.raises(EncodeError, match="the arguments of pack cannot be sent"):
            send()


def test_a_body_above_the_limit_is_an_error(app):
    @app.task(name="pack")
    def pack(x): ...

    app.conf.max_message_bytes = 1000

    for options in ({}, {"countdown": 1}):
        with pytest.raises(amqp.MessageTooLarge, match="max_message_bytes"):
            pack.apply_async(("x" * 1000,), **options)


@pytest.mark.parametrize(("value", "told"), [("x" * 70_000, "70"), ({"a": [[[[]]] * 9]}, None)])
def test_headers_above_the_limit_are_an_error(app, value, told):
    """A consumer would bury the message."""

    @app.task(name="pack")
    def pack(x): ...

    if told is None:
        pack.apply_async((1,), headers={"x": value})
        return
    with pytest.raises(amqp.MessageTooLarge, match="headers have 70"):
        pack.apply_async((1,), headers={"x": value})


@pytest.mark.parametrize(
    ("options", "eta"),
    [
        ({"eta": datetime(2026, 7, 1, 12, tzinfo=UTC)}, datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ({"eta": datetime(2026, 7, 1, 12)}, datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ({"eta": "2026-07-01T12:00:00+02:00"}, datetime(2026, 7, 1, 10, tzinfo=UTC)),
    ],
    ids=str,
)
def test_an_eta_without_a_zone_is_in_the_apps(app, options, eta):
    """Berlin is two hours ahead in July."""
    app.conf.timezone = "Europe/Berlin"

    app.send_task("pack", **options)

    assert eta.timestamp() == app.sender.sent[0].eta


def test_a_countdown_and_an_expiry_are_times_for_the_broker(app, monkeypatch):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(type(app), "now", lambda self: now)

    app.send_task("pack", countdown=10, expires=timedelta(minutes=1))

    message = app.sender.sent[0]
    assert (now.timestamp() + 10, now.timestamp() + 60) == (message.eta, message.expires)
    assert "60000" == message.properties["expiration"]


def test_a_zone_that_is_none_is_an_error(app):
    app.conf.timezone = "Europe/Atlantis"

    with pytest.raises(ConfigurationError, match="Atlantis"):
        app.send_task("pack", countdown=1)


@pytest.mark.parametrize("options", [{}, {"countdown": 1}], ids=str)
def test_a_task_sent_by_a_task_inherits(app, options):
    """Root and parent; the priority only where the setting says so and nothing else is given."""

    @app.task(name="pack")
    def pack(): ...

    request = TaskRequest({"id": "parent", "task": "other", "root_id": "root"})
    request.called_directly = False
    request.delivery_info = {"priority": 7}
    with running(request):
        pack.apply_async(**options)
        app.conf.task_inherit_parent_priority = True
        pack.apply_async(**options)
        pack.apply_async(priority=1)

    assert {("root", "parent")} == {(one.headers["root_id"], one.headers["parent_id"]) for one in app.sender.sent}
    assert [0, 7, 1] == [one.priority for one in app.sender.sent]
    assert [0, 7, 1] == [one.properties["priority"] for one in app.sender.sent]
    assert 3 == len(request.children)


def test_a_changed_setting_is_seen_by_the_next_message(app):
    @app.task(name="pack")
    def pack(): ...

    pack.delay()
    app.conf.task_default_queue = "other"
    pack.delay()

    assert ["celery", "other"] == [one.queue for one in app.sender.sent]


def test_a_forked_child_sends_under_its_own_name(app):
    """Origin and reply id are of the process."""

    @app.task(name="pack")
    def pack(): ...

    pack.delay()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        message = app.amqp.plain(pack, (), {})
        os.write(writer, f"{message.headers['origin']} {message.properties['reply_to']}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    origin, reply_to = os.read(reader, 1000).decode().split()
    os.close(reader)
    os.close(writer)

    assert origin.startswith(f"gen{child}@")
    assert reply_to != app.sender.sent[0].properties["reply_to"]
