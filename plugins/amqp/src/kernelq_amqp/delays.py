"""Delayed messages wait in the broker: Celery's levels (kombu/transport/native_delayed_delivery.py, wire.md W6).

Level n is a queue that keeps a message for 2^n seconds; the bits of a delay, as words of the routing key, tell which
levels a message goes through. What comes out at the end is routed by what stands behind the bits. Celery's form for
that needs a topic exchange; KernelQ binds the queue itself, under a key that no key of Celery's meets.

A level lets nothing go that no queue takes, and thirty-two such messages hold up all behind them (RabbitMQ dead-letters
at least once). So queues are bound to an exchange of our own behind Celery's, which has somewhere else to send what is
due for a queue that is gone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound

from kernelq_amqp.queues import QUORUM, count

if TYPE_CHECKING:
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.link import Link
    from kernelq_amqp.queues import Declaration

BITS = 28
LONGEST = 2**BITS - 1
"""Seconds; a longer delay starts anew after that."""
SHORTEST = 2.0
"""Seconds; a shorter delay waits in the worker."""
DELIVERY = "celery_delayed_delivery"
DUE = "kernelq.due"
"""The exchange that has what KernelQ delayed, and is due."""
UNDELIVERED = "kernelq.undelivered"
"""The exchange and the queue of what is due for a queue that is gone."""
OURS = "kernelq"
"""The last word of the routing key of what KernelQ delays."""
FIRST_VERSION = (3, 10)
"""RabbitMQ that has time to live and safe dead-lettering in quorum queues."""


def level(number: int) -> str:
    """Return the name of a level's queue and exchange."""
    return f"celery_delayed_{number}"


ENTRY = level(BITS - 1)
"""The exchange that every delayed message is published to."""


def routing_key(queue: str, seconds: float) -> str:
    """Return the routing key that takes a message to `queue` after the whole seconds in `seconds`."""
    whole = min(max(int(seconds), 1), LONGEST)
    return f"{'.'.join(f'{whole:0{BITS}b}')}.{queue}.{OURS}"


def route(queue: str, eta: float | None) -> tuple[str, str] | None:
    """Return exchange and routing key for a message with `eta`; None where it goes to its queue at once."""
    seconds = 0.0 if eta is None else eta - time.time()
    return None if seconds < SHORTEST else (ENTRY, routing_key(queue, seconds))


def ensure(link: Link, connector: Connector, queue: str) -> None:
    """Declare the levels unless they exist, and what is ours behind them; bind `queue` to the end."""
    if not _exist(link):
        _declare(link, _type(link, connector))
    channel = link.channel()
    channel.exchange_declare(UNDELIVERED, "fanout", durable=True, auto_delete=False, nowait=True)
    channel.queue_declare(UNDELIVERED, durable=True, auto_delete=False, nowait=True)
    channel.queue_bind(UNDELIVERED, UNDELIVERED, nowait=True)
    otherwise = {"alternate-exchange": UNDELIVERED}
    channel.exchange_declare(DUE, "topic", durable=True, auto_delete=False, arguments=otherwise, nowait=True)
    channel.exchange_bind(DUE, DELIVERY, f"{'*.' * (BITS + 1)}#.{OURS}", nowait=True)
    channel.queue_bind(queue, DUE, f"{'*.' * BITS}{queue}.{OURS}")
    channel.close()


def bind_for_celery(link: Link, declaration: Declaration) -> None:
    """Bind a queue's exchange as Celery does where the levels exist, so that what Celery delays comes here too."""
    if declaration.exchange_type == "direct" or not declaration.exchange or not _exist(link):
        return
    key = declaration.routing_key
    key = key if key.startswith("#") else f"#.{key}"
    channel = link.channel()
    channel.exchange_bind(declaration.exchange, DELIVERY, key)
    channel.queue_bind(declaration.name, declaration.exchange, key)
    channel.close()


def _exist(link: Link) -> bool:
    """Tell whether the levels are complete: their end is declared last."""
    channel = link.channel()
    try:
        channel.exchange_declare(DELIVERY, "topic", passive=True)
    except NotFound:
        return False
    channel.close()
    return count(link, level(0)) is not None and count(link, ENTRY) is not None


def _type(link: Link, connector: Connector) -> str:
    wanted = str(connector.option("broker_native_delayed_delivery_queue_type", QUORUM))
    version = str(link.server_properties.get("version", "0")).split(".")
    numbers = tuple(int(part) for part in version[:2] if part.isdigit())
    return wanted if numbers >= FIRST_VERSION else "classic"


def _declare(link: Link, kind: str) -> None:
    """Declare all levels, without waiting for each."""
    channel = link.channel()
    for number in range(BITS - 1, -1, -1):
        name = level(number)
        channel.exchange_declare(name, "topic", durable=True, auto_delete=False, nowait=True)
        arguments: dict[str, Any] = {
            "x-queue-type": kind,
            "x-overflow": "reject-publish",
            "x-message-ttl": 2**number * 1000,
            "x-dead-letter-exchange": level(number - 1) if number else DELIVERY,
        }
        if kind == QUORUM:
            arguments["x-dead-letter-strategy"] = "at-least-once"
        channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments, nowait=True)
        channel.queue_bind(name, name, f"{'*.' * (BITS - 1 - number)}1.#", nowait=True)
    for number in range(BITS - 1, 0, -1):
        key = f"{'*.' * (BITS - 1 - number)}0.#"
        channel.exchange_bind(level(number - 1), level(number), key, nowait=True)
    channel.exchange_declare(DELIVERY, "topic", durable=True, auto_delete=False)
    channel.exchange_bind(DELIVERY, level(0), f"{'*.' * (BITS - 1)}0.#")
    channel.close()
