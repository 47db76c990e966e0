"""From AMQP's messages to deliveries, and from KernelQ's messages to AMQP's."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernelq.delivery import DeadLetter, Delivery

if TYPE_CHECKING:
    from kernelq.message import Message

COUNT = "x-kernelq-deliveries"
"""Header: how many owners a republished message has had before this publication."""
ETA = "x-kernelq-eta"
"""Header: not before this time, in seconds since the epoch."""
LETTER = "x-kernelq-letter"
REASON = "x-kernelq-reason"
BURIED_AT = "x-kernelq-buried-at"
MARK = "x-kernelq-mark"
"""Header: what a begun message is known by to the lane that begun it."""

OWN = frozenset({COUNT, ETA, LETTER, REASON, BURIED_AT, MARK})
BROKERS = frozenset(
    {"x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason", "x-delivery-count"}
)
"""Headers that RabbitMQ adds; a message that is published again goes without them."""

MOST_URGENT = 9
PASSED_ON = ("correlation_id", "reply_to", "delivery_mode", "expiration", "message_id", "timestamp", "type")
DELAYED = re.compile(r"^(?:[01]\.){28}")
"""The first words of a routing key that went through the delay levels (kombu/transport/native_delayed_delivery.py)."""

Properties = dict[str, Any]
"""As py-amqp has them: headers under ``application_headers``."""


def delivery(queue: str, tag: int, came: Came) -> Delivery:
    """Return what came as a `Delivery`."""
    properties = came.properties
    given = properties.get("application_headers") or {}
    headers = given if given.keys().isdisjoint(KNOWN) else {k: v for k, v in given.items() if k not in KNOWN}
    passed = {name: properties[name] for name in PASSED_ON if name in properties}
    priority = passed["priority"] = priority_of(properties.get("priority"))
    exchange, key = came.exchange, came.routing_key
    if DELAYED.match(key):
        exchange, key = "", queue
    passed["delivery_info"] = {
        "exchange": exchange,
        "routing_key": key or queue,
        "priority": priority,
        "redelivered": came.redelivered,
    }
    return Delivery(
        tag,
        queue,
        headers,
        came.body,
        passed,
        properties.get("content_type") or "application/data",
        properties.get("content_encoding") or "binary",
        came.deliveries,
    )


KNOWN = OWN | BROKERS


class Came:
    """A message as it came."""

    __slots__ = ("body", "deliveries", "exchange", "properties", "redelivered", "routing_key")

    def __init__(self, properties: Properties, body: bytes, redelivered: bool, exchange: str, routing_key: str) -> None:
        self.properties = properties
        self.body = body
        self.redelivered = redelivered
        self.exchange = exchange
        self.routing_key = routing_key
        self.deliveries = 1

    @property
    def headers(self) -> Mapping[str, Any]:
        """Its headers, with KernelQ's and the broker's own."""
        headers: Mapping[str, Any] = self.properties.get("application_headers") or {}
        return headers

    @property
    def count(self) -> int:
        """How many owners its headers tell of."""
        count = self.headers.get(COUNT, 0)
        return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0

    @property
    def eta(self) -> float | None:
        """The time before which it is not to be delivered."""
        eta = self.headers.get(ETA)
        return float(eta) if isinstance(eta, int | float) else None


def priority_of(number: Any) -> int:
    """Return a priority within 0 to 9; 9 is the most urgent for KernelQ as for AMQP."""
    return min(max(int(number), 0), MOST_URGENT) if isinstance(number, int | float) else 0


def outgoing(message: Message, now: float) -> Properties:
    """Return the properties that `message` is published with."""
    given = message.properties
    headers = message.headers
    if message.eta is not None and message.eta > now:
        headers = {**headers, ETA: float(message.eta)}
    properties: Properties = {name: given[name] for name in PASSED_ON if given.get(name) is not None}
    if "expiration" in properties:
        properties["expiration"] = str(properties["expiration"])
    properties["application_headers"] = headers
    properties["priority"] = priority_of(message.priority)
    properties["content_type"] = message.content_type
    properties["content_encoding"] = message.content_encoding
    properties.setdefault("delivery_mode", 2)
    return properties


def copied(came: Came, headers: Mapping[str, Any]) -> Properties:
    """Return the properties that publish a message again, persistent, with `headers` added; what is None goes."""
    kept = {name: value for name, value in came.headers.items() if name not in BROKERS}
    kept.update(headers)
    again = {name: value for name, value in came.properties.items() if name not in {"user_id", "cluster_id"}}
    again["application_headers"] = {name: value for name, value in kept.items() if value is not None or name not in OWN}
    again["delivery_mode"] = 2
    return again


def burial(came: Came, reason: str) -> dict[str, Any]:
    """Return the headers that a message gets in the dead set."""
    return {
        LETTER: uuid.uuid4().hex,
        REASON: reason,
        BURIED_AT: time.time(),
        COUNT: came.deliveries,
        ETA: None,
        MARK: None,
    }


def letter(came: Came, queue: str, fallback_id: str) -> DeadLetter:
    """Return a message of the dead set of `queue`."""
    found = delivery(queue, 0, came)
    headers = came.headers
    reason, when = headers.get(REASON), headers.get(BURIED_AT)
    return DeadLetter(
        id=str(headers.get(LETTER) or fallback_id),
        task_id=str(found.headers.get("id") or found.properties.get("correlation_id") or ""),
        task=str(found.headers.get("task") or ""),
        queue=queue,
        reason=str(reason if reason is not None else _broker_reason(headers)),
        buried_at=float(when) if isinstance(when, int | float) else _broker_time(headers),
        deliveries=max(came.count, 1),
        headers=found.headers,
        properties=found.properties,
        body=found.body,
        content_type=found.content_type,
        content_encoding=found.content_encoding,
    )


def _broker_reason(headers: Mapping[str, Any]) -> str:
    """Return why the broker itself buried it."""
    reason = headers.get("x-first-death-reason")
    return f"the broker buried it: {reason}" if reason else ""


def _broker_time(headers: Mapping[str, Any]) -> float:
    try:
        return float(headers["x-death"][0]["time"].timestamp())
    except (KeyError, IndexError, TypeError, AttributeError):
        return 0.0
