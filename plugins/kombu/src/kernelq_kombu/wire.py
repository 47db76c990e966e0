"""From kombu's messages to deliveries, and from KernelQ's messages to what kombu publishes."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from kernelq.delivery import DeadLetter, Delivery

if TYPE_CHECKING:
    from kernelq.message import Message

COUNT = "x-kernelq-deliveries"
"""Header: how many hosts were lost with a message until a lane published it again; of owners it knows nothing."""
LETTER = "x-kernelq-letter"
REASON = "x-kernelq-reason"
BURIED_AT = "x-kernelq-buried-at"

OWN = frozenset({COUNT, LETTER, REASON, BURIED_AT})
MOST_URGENT = 9
NOT_PUBLISHED = frozenset(
    {"delivery_info", "delivery_tag", "body_encoding", "priority", "application_headers", "expiration"}
)


def priority_of(number: Any, driver: str) -> int:
    """Return a priority in KernelQ's sense from the broker's, or the other way round.

    kombu's Redis transport takes 0 for the most urgent (kombu/transport/redis.py, `_q_for_pri`).
    """
    bounded: int = min(max(int(number), 0), MOST_URGENT) if isinstance(number, int | float) else 0
    return MOST_URGENT - bounded if driver == "redis" else bounded


def delivery(message: Any, queue: str, tag: int, driver: str) -> Delivery:
    """Return a kombu message as a `Delivery`. kombu has undone the compression of the body."""
    headers = {name: value for name, value in message.headers.items() if name not in OWN}
    if not message.errors:
        headers.pop("compression", None)
    properties = {name: value for name, value in message.properties.items() if name in PASSED_ON}
    properties["priority"] = priority_of(message.properties.get("priority", 0), driver)
    info = message.delivery_info or {}
    properties["delivery_info"] = {
        "exchange": info.get("exchange") or "",
        "routing_key": info.get("routing_key") or queue,
        "priority": properties["priority"],
        "redelivered": redelivered(message),
    }
    return Delivery(
        tag=tag,
        queue=queue,
        headers=headers,
        body=as_bytes(message.body),
        properties=properties,
        content_type=message.content_type or "application/data",
        content_encoding=message.content_encoding or "binary",
        deliveries=count_of(message) + 1,
    )


PASSED_ON = frozenset({"correlation_id", "reply_to", "delivery_mode", "expiration", "message_id", "timestamp", "type"})


def count_of(message: Any) -> int:
    """Return how many hosts were lost with the message, as its headers tell."""
    count = message.headers.get(COUNT, 0)
    return count if isinstance(count, int) and count > 0 else 0


def redelivered(message: Any) -> bool:
    """Tell whether the broker says that someone had the message before."""
    info = message.delivery_info or {}
    return bool(info.get("redelivered") or message.headers.get("redelivered"))


def as_bytes(body: Any) -> bytes:
    """Return the body of a kombu message as bytes."""
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def outgoing(message: Message, driver: str) -> dict[str, Any]:
    """Return the arguments of kombu's ``Producer.publish`` for `message`."""
    properties = {name: value for name, value in message.properties.items() if name not in NOT_PUBLISHED}
    expiration = message.properties.get("expiration")
    if expiration is not None:
        properties["expiration"] = float(expiration) / 1000
    return {
        "body": message.body,
        "exchange": message.exchange,
        "routing_key": message.routing_key or message.queue,
        "priority": priority_of(message.priority, driver),
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "headers": message.headers,
        **properties,
    }


def copied(message: Any, queue: str, headers: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that publish a received kombu message again, to `queue`, with `headers` added."""
    kept = {name: value for name, value in message.properties.items() if name in PASSED_ON}
    if kept.get("expiration") is not None:
        kept["expiration"] = float(kept["expiration"]) / 1000
    base = dict(message.headers)
    if not message.errors:
        base.pop("compression", None)
    return {
        "body": as_bytes(message.body),
        "exchange": "",
        "routing_key": queue,
        "priority": message.properties.get("priority") or 0,
        "content_type": message.content_type or "application/data",
        "content_encoding": message.content_encoding or "binary",
        "headers": base | headers,
        **kept,
    }


def burial(message: Any, reason: str) -> dict[str, Any]:
    """Return the headers that a message gets in the dead set."""
    return {
        LETTER: uuid.uuid4().hex,
        REASON: reason,
        BURIED_AT: time.time(),
        COUNT: count_of(message) + 1,
    }


def letter(message: Any, queue: str, driver: str) -> DeadLetter:
    """Return a message of the dead set of `queue`."""
    found = delivery(message, queue, 0, driver)
    return DeadLetter(
        id=str(message.headers.get(LETTER) or message.delivery_tag),
        task_id=str(found.headers.get("id") or found.properties.get("correlation_id") or ""),
        task=str(found.headers.get("task") or ""),
        queue=queue,
        reason=str(message.headers.get(REASON, "")),
        buried_at=float(message.headers.get(BURIED_AT, 0.0)),
        deliveries=max(count_of(message), 1),
        headers=found.headers,
        properties=found.properties,
        body=found.body,
        content_type=found.content_type,
        content_encoding=found.content_encoding,
    )
