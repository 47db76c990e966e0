"""What every event has, and where it goes (celery/events/event.py, celery/utils/time.py)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kombu.connection import Connection
    from kombu.entity import Exchange

EXCHANGE = "celeryev"
"""The usual value of the setting ``event_exchange``."""

TRANSIENT = 1
"""The delivery mode of events: brokers do not write them down."""

FANOUT_ONLY = frozenset({"redis", "gcpubsub"})
"""Types of kombu's transports on which the exchange is a fanout one; a topic one on all others."""


def event(type: str, hostname: str, pid: int, clock: int | None, **fields: Any) -> dict[str, Any]:
    """Return an event: its own fields, and those that every one has. A `timestamp` among them wins over the time now.

    `clock`: the Lamport clock of the sender; receivers look past that of clients, who are in step with nobody.
    """
    common = {"hostname": hostname, "utcoffset": utcoffset(), "pid": pid, "timestamp": time.time()}
    if clock is not None:  # Celery's receivers take an event without one, and break at one that is null
        common["clock"] = clock
    return {**common, **fields, "type": type}


def utcoffset() -> float:
    """Return how many hours this machine's time is behind UTC now, daylight saving included: +2 of UTC is -2.0."""
    behind = time.altzone if time.localtime().tm_isdst > 0 else time.timezone
    return behind / 3600


def group(type: str) -> str:
    """Return the group of an event: ``"task"`` of ``"task-sent"``."""
    return type.partition("-")[0]


def routing_key(type: str) -> str:
    """Return the key that one event is published under: ``"task.sent"`` of ``"task-sent"``."""
    return type.replace("-", ".")


def list_key(group: str) -> str:
    """Return the key that a list of events of one group is published under: ``"task.multi"``."""
    return f"{group}.multi"


def exchange(connection: Connection, name: str = EXCHANGE) -> Exchange:
    """Return the exchange of events, as Celery declares it over this connection."""
    from kombu.entity import Exchange

    kind = "fanout" if connection.transport.driver_type in FANOUT_ONLY else "topic"
    return Exchange(name, type=kind)
