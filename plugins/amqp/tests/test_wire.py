"""Messages as they come, and as they go again."""

from __future__ import annotations

import time

import pytest

from kernelq_amqp import wire
from kernelq_testkit.messages import message


def came(headers=None, key="q", **properties):
    if headers is not None:
        properties["application_headers"] = headers
    return wire.Came(properties, b"body", False, "", key)


def test_a_bare_message_is_a_delivery_too():
    """Without any property; the worker finds no task in it and buries it with its reason."""
    delivery = wire.delivery("q", 1, came())
    assert ({}, "application/data", "binary", 1) == (
        delivery.headers, delivery.content_type, delivery.content_encoding, delivery.deliveries,
    )  # fmt: skip
    assert {"exchange": "", "routing_key": "q", "priority": 0, "redelivered": False} == delivery.properties[
        "delivery_info"
    ]


@pytest.mark.parametrize(("number", "expected"), [(None, 0), ("x", 0), (-1, 0), (4, 4), (200, 9)])
def test_priorities_are_bounded(number, expected):
    assert expected == wire.priority_of(number)


@pytest.mark.parametrize(("count", "expected"), [(3, 3), (0, 0), (-2, 0), ("9", 0), (True, 0), (None, 0)])
def test_a_count_is_a_positive_number(count, expected):
    """Anyone may write headers."""
    assert expected == came({wire.COUNT: count}).count


def test_a_way_through_the_levels_is_not_shown():
    """A retry goes to the queue, not through the same delay again."""
    info = wire.delivery("q", 1, came({}, key="0." * 28 + "q.kernelq")).properties["delivery_info"]
    assert ("", "q") == (info["exchange"], info["routing_key"])


def test_a_copy_is_persistent_and_without_the_brokers_headers():
    """Its sender's headers stay, null ones too; ours are set, or taken away."""
    headers = {"id": "1", "eta": None, "x-death": [], "x-delivery-count": 3, wire.ETA: 5.0}
    again = wire.copied(came(headers, user_id="guest", reply_to="r", delivery_mode=1), {wire.ETA: None, wire.COUNT: 2})
    assert {
        "application_headers": {"id": "1", "eta": None, wire.COUNT: 2},
        "reply_to": "r",
        "delivery_mode": 2,
    } == again


def test_a_time_in_the_past_is_not_sent():
    """What is due goes as it is."""
    now = time.time()
    due, later = message("q", eta=now - 1), message("q", eta=now + 60)
    assert wire.ETA not in wire.outgoing(due, now)["application_headers"]
    assert now + 60 == wire.outgoing(later, now)["application_headers"][wire.ETA]
    assert wire.ETA not in later.headers
