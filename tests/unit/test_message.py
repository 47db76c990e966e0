"""Messages on their way to a broker."""

from __future__ import annotations

import pytest

from kernelq.message import Message, Outline

HEADERS = {"task": "t", "id": None, "timelimit": [5, None], "root_id": None, "ignore_result": True, "stamps": {}}


@pytest.fixture
def outline():
    return Outline(HEADERS, delivery_mode=2, priority=3)


def plain(outline, id="1"):
    return Message(id, None, b"", None, "q", outline=outline, own=("root", "parent", "(1,)", "{}", "me"))


def test_an_outline_and_what_is_a_messages_own_make_headers_and_properties(outline):
    """In the order of the outline."""
    made = plain(outline)

    own = {"id": "1", "root_id": "root", "parent_id": "parent", "argsrepr": "(1,)", "kwargsrepr": "{}"}
    assert {**HEADERS, **own} == made.headers
    assert [*HEADERS, "parent_id", "argsrepr", "kwargsrepr"] == list(made.headers)
    assert {"correlation_id": "1", "reply_to": "me", "delivery_mode": 2, "priority": 3} == made.properties
    assert made.ignored


def test_what_is_changed_in_one_message_is_changed_in_no_other(outline):
    """Headers that are mappings and lists too."""
    one, other = plain(outline), plain(outline, "2")
    one.headers["stamps"]["x"] = 1
    one.headers["timelimit"][0] = 9
    one.headers["ignore_result"] = False

    assert ({}, [5, None], True) == (other.headers["stamps"], other.headers["timelimit"], other.ignored)
    assert not one.ignored


@pytest.mark.parametrize("asked", ["headers", "properties"])
def test_there_is_a_sketch_until_somebody_asks_for_more(outline, asked):
    """Who asks may change it, and then the outline is no longer all."""
    made = plain(outline)
    assert outline is made.sketch()[0]

    getattr(made, asked)

    assert made.sketch() is None


def test_headers_that_are_given_are_all():
    given = Message("1", {"ignore_result": None}, b"", {"priority": 0}, "q")

    assert given.sketch() is None
    assert not given.ignored


def test_a_message_of_nothing_is_an_error():
    with pytest.raises(TypeError, match="outline"):
        Message("1", None, b"", None, "q").sketch()
