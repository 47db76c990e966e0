"""Queues as Celery declares them, so that either side may come first (celery/app/amqp.py, kombu/entity.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from amqp.exceptions import NotFound
from kombu.transport.base import to_rabbitmq_queue_arguments

if TYPE_CHECKING:
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.link import Link

DEAD = ".dlq"
"""What is appended to a queue's name for its dead set."""
QUORUM = "quorum"


def dead_name(queue: str) -> str:
    """Return the name of the queue that keeps what was buried from `queue`."""
    return queue + DEAD


@attrs.frozen
class Declaration:
    """What a queue is made with where it does not exist."""

    name: str
    exchange: str
    exchange_type: str = "direct"
    routing_key: str = ""
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    no_declare: bool = False
    arguments: Mapping[str, Any] = attrs.Factory(dict)
    binding_arguments: Mapping[str, Any] | None = None
    consumer_arguments: Mapping[str, Any] = attrs.Factory(dict)

    @property
    def quorum(self) -> bool:
        """Whether it is made as a quorum queue."""
        return self.arguments.get("x-queue-type") == QUORUM


class Queues:
    """The declarations of one app's queues, by name; others are made on demand as Celery makes missing ones."""

    each_alone = False
    """Whether the broker has refused a prefetch for a whole channel: a queue is a quorum queue without our knowing."""

    def __init__(self, connector: Connector) -> None:
        option = connector.option
        self._max_priority = option("task_queue_max_priority", None)
        self._type = option("task_create_missing_queue_type", None) or option("task_default_queue_type", "classic")
        self._default_type = option("task_default_queue_type", "classic")
        self._limit = option("task_queue_delivery_limit", None)
        self._default = option("task_default_queue", "celery")
        self._default_exchange = option("task_default_exchange", None) or self._default
        self._default_exchange_type = option("task_default_exchange_type", "direct")
        self._default_key = option("task_default_routing_key", None) or self._default
        self._known = {name: self._configured(name, given) for name, given in _named(option("task_queues", None))}
        if not self._known:
            self._known[self._default] = self._made(
                self._default,
                self._default_exchange,
                self._default_exchange_type,
                self._default_key,
                _typed(self._default_type),
            )

    def __getitem__(self, name: str) -> Declaration:
        found = self._known.get(name)
        if found is None:
            arguments = {} if name.endswith(DEAD) else _typed(self._type)
            found = self._known[name] = self._made(name, name, "direct", name, arguments)
        return found

    def names(self) -> list[str]:
        """Return the queues known so far, sorted, without dead sets."""
        return sorted(name for name in self._known if not name.endswith(DEAD))

    def _configured(self, name: str, given: Any) -> Declaration:
        if given is None or isinstance(given, str):
            kind = self._default_exchange_type
            return self._made(name, self._default_exchange, kind, name, _typed(self._default_type))
        if isinstance(given, Mapping):
            exchange = given.get("exchange") or self._default_exchange
            kind = given.get("exchange_type") or ("direct" if given.get("exchange") else self._default_exchange_type)
            key = given.get("routing_key") or given.get("binding_key") or name
            arguments = to_rabbitmq_queue_arguments(
                dict(given.get("queue_arguments") or {}),
                expires=given.get("expires"),
                message_ttl=given.get("message_ttl"),
                max_length=given.get("max_length"),
                max_length_bytes=given.get("max_length_bytes"),
                max_priority=given.get("max_priority"),
            )
            more = {
                field: given[field]
                for field in ("durable", "exclusive", "auto_delete", "no_declare", "binding_arguments")
                if given.get(field) is not None
            }
            more["consumer_arguments"] = given.get("consumer_arguments") or {}
            return self._made(name, exchange, kind, key, arguments, **more)
        return self._of_kombu(given)

    def _of_kombu(self, queue: Any) -> Declaration:
        exchange = queue.exchange
        named = bool(exchange and exchange.name)
        arguments = to_rabbitmq_queue_arguments(
            dict(queue.queue_arguments or {}),
            expires=queue.expires,
            message_ttl=queue.message_ttl,
            max_length=queue.max_length,
            max_length_bytes=queue.max_length_bytes,
            max_priority=queue.max_priority,
        )
        return self._made(
            queue.name,
            exchange.name if named else self._default_exchange,
            exchange.type if named else self._default_exchange_type,
            queue.routing_key or self._default_key,
            arguments,
            durable=queue.durable,
            exclusive=queue.exclusive,
            auto_delete=queue.auto_delete,
            no_declare=bool(queue.no_declare),
            binding_arguments=queue.binding_arguments,
            consumer_arguments=queue.consumer_arguments or {},
        )

    def _made(
        self, name: str, exchange: str, kind: str, key: str, arguments: Mapping[str, Any], **more: Any
    ) -> Declaration:
        arguments = dict(arguments)
        if self._max_priority is not None and not name.endswith(DEAD):
            arguments.setdefault("x-max-priority", self._max_priority)
        if arguments.get("x-queue-type") == QUORUM:
            arguments.pop("x-max-priority", None)  # RabbitMQ refuses it there
            if self._limit is not None:
                arguments.setdefault("x-delivery-limit", self._limit)
                arguments.setdefault("x-dead-letter-exchange", "")
                arguments.setdefault("x-dead-letter-routing-key", dead_name(name))
                arguments.setdefault("x-dead-letter-strategy", "at-least-once")
                arguments.setdefault("x-overflow", "reject-publish")
        return Declaration(name, exchange, kind, key, arguments=arguments, **more)


def count(link: Link, name: str) -> int | None:
    """Return how many messages are ready in the queue `name`; None where there is none."""
    channel = link.channel()
    try:
        declared = channel.queue_declare(name, passive=True)
    except NotFound:
        return None
    channel.close()
    return int(declared.message_count)


def ensure(link: Link, declaration: Declaration) -> None:
    """Declare a queue with its exchange unless it exists; an existing one stays as it is, whatever its arguments."""
    name = declaration.name
    if count(link, name) is not None or declaration.no_declare:
        return
    channel = link.channel()
    if declaration.arguments.get("x-dead-letter-routing-key") == dead_name(name):
        channel.queue_declare(dead_name(name), durable=True, auto_delete=False)
    channel.queue_declare(
        name,
        durable=declaration.durable,
        exclusive=declaration.exclusive,
        auto_delete=declaration.auto_delete,
        arguments=dict(declaration.arguments) or None,
    )
    if declaration.exchange:
        channel.exchange_declare(declaration.exchange, declaration.exchange_type, durable=True, auto_delete=False)
        channel.queue_bind(name, declaration.exchange, declaration.routing_key, declaration.binding_arguments)
    channel.close()


def _typed(kind: str) -> dict[str, Any]:
    return {"x-queue-type": QUORUM} if kind == QUORUM else {}


def _named(given: Any) -> list[tuple[str, Any]]:
    if not given:
        return []
    if isinstance(given, Mapping):
        return list(given.items())
    return [(one, None) if isinstance(one, str) else (one.name, one) for one in given]
