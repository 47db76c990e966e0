"""Control commands over the wire, as kombu's mailbox has it."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq.kernel.errors import ConfigurationError

NODE = "w1@test"


def test_a_reply_has_the_ticket_and_the_clock_and_the_nodes_name(node: Any) -> None:
    """``{node: result}``, headers ticket and clock (kombu/pidbox.py, Mailbox._publish_reply)."""
    reply_to = {"exchange": "reply.celery.pidbox", "routing_key": node.wire.oid}
    node.wire.send({"method": "ping", "arguments": {}, "ticket": "t1", "reply_to": reply_to}, serializer="json")

    node.drain()

    body, headers = node.wire.replies.pop()
    assert {NODE: {"ok": "pong"}} == body
    assert "t1" == headers["ticket"]
    assert headers["clock"] > 41, "moved on by the request's clock"


def test_a_command_without_reply_is_done_in_silence(node: Any) -> None:
    node.wire.send({"method": "shutdown", "arguments": {}}, serializer="json")

    node.drain()

    assert ["warm"] == node.ended
    assert [] == node.wire.replies


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ({"destination": [NODE]}, True),
        ({"destination": ["other@test"]}, False),
        ({"pattern": "w*", "matcher": "glob"}, True),
        ({"pattern": "x*", "matcher": "glob"}, False),
        ({"pattern": "w[0-9]@", "matcher": "pcre"}, True),
        ({}, True),
    ],
)
def test_addressing(node: Any, address: dict[str, Any], taken: bool) -> None:
    node.wire.send({"method": "shutdown", "arguments": {}, **address}, serializer="json")

    node.drain()

    assert taken == bool(node.ended)


def test_an_unknown_command_is_answered_with_those_that_there_are(node: Any) -> None:
    error = node.call("pinng")["error"]

    assert error.startswith("there is no control command 'pinng' here. Did you mean 'ping'? This worker knows: ")
    assert ", ping, pool_grow, " in error


def test_arguments_that_do_not_fit_are_answered_with_the_usage(node: Any) -> None:
    assert "usage: rate_limit TASK_NAME RATE_LIMIT" in node.call("rate_limit", {"x": 1})["error"]


@pytest.mark.parametrize(
    "body",
    [7, "text", [], None, {}, {"method": 3}, {"method": "ping", "arguments": [1]}, {"method": "ping", "reply_to": "x"},
     {"method": "ping", "reply_to": {}}, {"method": "ping", "destination": "w1@test"},
     {"method": "ping", "x": {}, "pattern": 5, "matcher": 6}],
)  # fmt: skip
def test_what_is_no_command_is_counted_and_ends_nothing(node: Any, body: Any) -> None:
    node.wire.send(body, serializer="json")

    node.drain()

    assert 1 == node.step.info(node.context)["malformed"]
    assert {"ok": "pong"} == node.call("ping")


@pytest.mark.parametrize(
    "options",
    [
        {"content_type": "application/json", "content_encoding": "utf-8"},
        {"content_type": "application/x-python-serialize", "content_encoding": "binary"},
        {"content_type": "application/nonsense", "content_encoding": "utf-8"},
    ],
)
def test_bytes_that_cannot_be_decoded_are_counted_and_end_nothing(node: Any, options: dict[str, str]) -> None:
    """Pickle is refused before a byte of it is interpreted."""
    node.wire.send(b"cos\nsystem\n(S'false'\ntR.", **options)

    node.drain()

    assert 1 == node.step.info(node.context)["malformed"]
    assert {"ok": "pong"} == node.call("ping")


def test_commands_can_be_limited_to_a_list(make_node: Any) -> None:
    node = make_node(worker_remote_control_commands=["ping"])

    assert {"ok": "pong"} == node.call("ping")
    assert "error" in node.call("shutdown")
    assert [] == node.ended


def test_a_list_with_an_unknown_command_is_refused() -> None:
    from kernelq import KernelQ
    from kernelq_control.registry import commands

    app = KernelQ("t", broker="memory://", worker_remote_control_commands=["pong"])

    with pytest.raises(ConfigurationError, match="Did you mean 'ping'"):
        commands(app)


def test_it_can_be_switched_off() -> None:
    from kernelq import KernelQ
    from kernelq_control.step import Control

    app = KernelQ("t", broker="memory://", worker_enable_remote_control=False)

    assert "off: worker_enable_remote_control is false" == Control.enabled(app.conf)


def test_a_command_of_the_app_is_answered() -> None:
    from kernelq import KernelQ, inspect_command
    from kernelq_control.registry import commands

    app = KernelQ("t", broker="memory://")

    @app.control_command
    @inspect_command()
    def double(ctx: Any, n: int) -> int:
        """Twice n."""
        return 2 * n

    assert 4 == commands(app)["double"](None, n=2)


def test_stopping_twice_and_before_starting_is_fine(node: Any) -> None:
    from kernelq_control.step import Control

    Control().stop(node.context)
    node.step.stop(node.context)
    node.step.stop(node.context)
