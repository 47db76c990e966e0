"""Messages of one outline: the same bytes as py-amqp's, though what they have in common is encoded once."""

from __future__ import annotations

import contextlib

import pytest
from amqp.exceptions import FrameSyntaxError

from kernelq import KernelQ
from kernelq.context import TaskRequest, running
from kernelq.kernel.discovery import Discovery
from kernelq_amqp import outlines, wire
from kernelq_amqp.outlines import encoded, serialized
from kernelq_amqp.tables import properties
from kernelq_testkit.messages import message

ARGUMENTS = [(), ("a'b\"\\ %s %b \n", 1.5), ("ü\u2028", {"é": [None]}), ("\ud800",)]


def plain_message(args, kwargs, parent, **options):
    """The second of two calls, so that it is made by the form of the first."""
    app = KernelQ("outlines", discovery=Discovery(installed=False), result_backend=None)
    task = app.task(name='100% "it" ü', **options)(lambda *args, **kwargs: None)
    if parent is not None:
        parent.called_directly = False
    with running(parent) if parent is not None else contextlib.nullcontext():
        encoded(app.amqp.plain(task, (), {}), 0.0)
        return app.amqp.plain(task, args, kwargs)


@pytest.mark.parametrize("args", ARGUMENTS, ids=ascii)
@pytest.mark.parametrize(
    "parent", [None, TaskRequest({"id": "p'\"%\ud800", "root_id": "r"})], ids=["of none", "of a task"]
)
@pytest.mark.parametrize("priority", [None, 7])
def test_messages_of_one_outline_are_encoded_as_any_other(args, parent, priority):
    """To the byte, whatever they carry."""
    sent = plain_message(args, {"one": args}, parent, priority=priority, time_limit=2.5)
    assert sent.sketch() is not None
    quick = encoded(sent, 0.0)
    assert serialized(wire.outgoing(sent, 0.0)) == quick
    read = properties(quick)
    assert (sent.headers, sent.id) == (read["application_headers"], read["correlation_id"])


def test_what_they_have_in_common_is_encoded_once(monkeypatch):
    """py-amqp is asked for the first message of a task, and no more."""
    sent = plain_message((1,), {}, None)
    monkeypatch.setattr(outlines, "serialized", lambda properties: pytest.fail("it was asked again"))
    assert sent.id.encode() in encoded(sent, 0.0)


def test_a_message_with_options_is_encoded_for_itself():
    """With the time at which it is due among its headers, where that is to come."""
    sent = message("q", eta=100.0)
    assert 100.0 == properties(encoded(sent, 99.0))["application_headers"][wire.ETA]
    assert wire.ETA not in properties(encoded(sent, 101.0))["application_headers"]


def test_what_has_no_amqp_form_is_an_error_that_names_it():
    """It is the caller's."""
    with pytest.raises(FrameSyntaxError, match="bad"):
        encoded(message("q", headers={"bad": object()}), 0.0)
