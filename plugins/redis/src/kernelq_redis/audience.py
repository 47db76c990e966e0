"""Control over kombu's channels: how many nodes a command reaches, and replies that nobody takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class Counting:
    """A client of Redis that counts the subscribers that got what it published."""

    def __init__(self, client: Any, add: Callable[[int], None]) -> None:
        self._client, self._add = client, add

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def publish(self, *arguments: Any, **more: Any) -> Any:
        """Publish, and count."""
        reached = self._client.publish(*arguments, **more)
        self._add(int(reached))
        return reached


@contextlib.contextmanager
def expiring(channel: Any, queue: str, seconds: float) -> Iterator[None]:
    """Have what `channel` puts into a queue meanwhile vanish after so many seconds, if nobody takes it.

    Who asked may be gone by then: kombu looks up the queue first, and then writes to it, as a new one.
    """
    lives: dict[str, int] | None = getattr(channel, "_expires", None)  # milliseconds, as kombu has it of its own queues
    if lives is None:
        yield
        return
    lives[queue] = max(int(seconds * 1000), 1)
    try:
        yield
    finally:
        lives.pop(queue, None)


def count(channel: Any) -> Callable[[], int]:
    """Have a channel of kombu count what it publishes from now on; return what tells the number."""
    numbers: list[int] = []
    lend = channel.conn_or_acquire

    @contextlib.contextmanager
    def lend_counting(client: Any = None) -> Iterator[Any]:
        with lend(client) as lent:
            yield Counting(lent, numbers.append)

    channel.conn_or_acquire = lend_counting
    return lambda: sum(numbers)
