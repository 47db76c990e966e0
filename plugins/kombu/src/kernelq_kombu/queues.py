"""Queues as kombu declares them, the way Celery does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import entity

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq_kombu.connector import Connector

DEAD = ".dlq"
"""What is appended to a queue's name for its dead set."""


def dead_name(queue: str) -> str:
    """Return the name of the queue that keeps what was buried from `queue`."""
    return queue + DEAD


def configured(connector: Connector) -> dict[str, entity.Queue]:
    """Return the queues that the settings name, as kombu queues."""
    named = connector.option("task_queues", ())
    if isinstance(named, dict):
        return {name: _from_mapping(connector, name, options or {}) for name, options in named.items()}
    queues = (q if isinstance(q, entity.Queue) else plain(connector, str(q)) for q in named)
    return {queue.name: queue for queue in queues}


def plain(connector: Connector, name: str) -> entity.Queue:
    """Return a queue with a direct exchange and a routing key of its own name, as Celery makes missing ones."""
    return entity.Queue(
        name,
        entity.Exchange(name, type="direct", durable=True),
        routing_key=name,
        durable=True,
        max_priority=connector.option("task_queue_max_priority", None),
    )


def ensure(connection: Connection, queue: entity.Queue, amqp: bool) -> entity.Queue:
    """Declare `queue` unless it exists; an existing one stays as it is, whatever its arguments."""
    if amqp and _exists(connection, queue):
        return queue
    with connection.channel() as channel:
        queue(channel).declare()
    return queue


def _exists(connection: Connection, queue: entity.Queue) -> bool:
    channel = connection.channel()
    try:
        queue(channel).queue_declare(passive=True)
    except connection.channel_errors:  # the broker closes the channel with its "not found"
        return False
    channel.close()
    return True


def _from_mapping(connector: Connector, name: str, options: dict[str, Any]) -> entity.Queue:
    exchange = options.get("exchange", name)
    return entity.Queue(
        name,
        entity.Exchange(exchange, type=options.get("exchange_type", "direct"), durable=True),
        routing_key=options.get("routing_key", options.get("binding_key", name)),
        durable=options.get("durable", True),
        queue_arguments=options.get("queue_arguments"),
        max_priority=options.get("max_priority", connector.option("task_queue_max_priority", None)),
    )
