"""Whether a control command reaches anybody. RabbitMQ tells no number, but it gives back what no queue takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amqp.exceptions import NotFound, ResourceLocked


def count(channel: Any) -> Callable[[], int | None]:
    """Have a channel of kombu ask for that from now on; return what tells 0, or None: some, who knows how many."""
    returned: list[Any] = []
    publish = channel.basic_publish

    def publish_mandatory(*arguments: Any, **more: Any) -> Any:
        return publish(*arguments, **{**more, "mandatory": True})

    def reached() -> int | None:
        channel.basic_qos(0, 0, False)  # changes nothing; what is given back comes before the answer to it
        return 0 if returned else None

    channel.events["basic_return"].add(lambda *message: returned.append(message))
    channel.basic_publish = publish_mandatory
    return reached


def attended(connection: Any, queue: str) -> bool:
    """Tell whether anybody consumes from a queue, over a kombu connection."""
    channel = connection.channel()
    try:
        consumers: int = channel.queue_declare(queue, passive=True).consumer_count
    except NotFound:
        return False  # which has closed the channel
    except ResourceLocked:
        return True  # it is exclusive, so it lives no longer than its consumer's connection
    channel.close()
    return consumers > 0
