"""How queues are known to others: kombu's table of bindings, and the set of all queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq.routing import Queue, Queues
from kernelq_redis.keys import SEPARATOR, Keys, binding_member

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernelq.kernel.settings import Settings


def entity(settings: Settings | None, queue: str) -> Queue:
    """Return a queue with its exchange, as the settings have it; a direct one of the queue's own name otherwise."""
    if hasattr(settings, "task_queues"):
        known = Queues(settings).known  # type: ignore[arg-type]  # Conf has them all
        if queue in known:
            return known[queue]
    return Queue(queue, queue, "direct", queue)


def bind(keys: Keys, settings: Settings | None, queue: str) -> list[tuple[str, str]]:
    """Return the sets that must know `queue`, each with the member to SADD to it.

    They are kombu's table of the queue's exchange, so that senders and consumers of Celery find it
    (kombu/transport/redis.py, ``_queue_bind``), and `Keys.queues`.
    """
    found = entity(settings, queue)
    pattern = key_to_pattern(found.routing_key) if found.exchange_type == "topic" else ""
    member = binding_member(found.routing_key, pattern, queue)
    return [(keys.binding(found.exchange), member), (keys.queues, queue)]


def key_to_pattern(routing_key: str) -> str:
    """Return the pattern that kombu writes for a topic's key (kombu/transport/virtual/exchange.py, TopicExchange)."""
    words = {"*": r"[^\.]+", "#": r".*?"}
    return "^{}$".format(r"\.".join(words.get(word, word) for word in routing_key.split(".")))


def routed(members: Iterable[bytes], routing_key: str) -> list[str]:
    """Return the queues, sorted, to which an exchange with these bindings takes a routing key.

    kombu's patterns are not run: what they were made from is beside them.
    """
    found = set()
    for member in members:
        parts = member.decode("utf-8", "replace").split(SEPARATOR)
        if len(parts) == 3 and parts[2] and _takes(parts[0], bool(parts[1]), routing_key):
            found.add(parts[2])
    return sorted(found)


def _takes(bound: str, topic: bool, routing_key: str) -> bool:
    return _matches(bound.split("."), routing_key.split(".")) if topic else bound == routing_key


def _matches(bound: list[str], words: list[str]) -> bool:
    """Tell whether a topic's words fit: ``*`` is one word, ``#`` any number. It costs the product of both lengths."""
    fits = [True] + [False] * len(words)
    for one in bound:
        if one == "#":
            for at in range(1, len(fits)):
                fits[at] = fits[at] or fits[at - 1]
        else:
            fits = [False] + [before and one in ("*", word) for before, word in zip(fits, words, strict=False)]
    return fits[-1]
