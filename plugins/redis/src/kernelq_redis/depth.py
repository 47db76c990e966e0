"""How many messages wait, as far as was counted last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernelq_redis.scripts import DEPTH, call

if TYPE_CHECKING:
    from kernelq_redis.keys import Keys
    from kernelq_redis.link import Link


def packed(keys: Keys, queues: Sequence[str]) -> bytes:
    """Return the command that counts what is ready in `queues`, or delayed and due."""
    return call(DEPTH, [key for queue in queues for key in (*keys.lists(queue), keys.delayed(queue))], [])


class Depth:
    """Counts without waiting: who asks gets the last figure, and the next who asks a newer one."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._asking = False
        self.figure = 0

    def ask(self, link: Link, queues: Sequence[str]) -> bool:
        """Send for a new figure, unless one is under way; return whether there is something to write."""
        if self._asking:
            return False
        self._asking = True
        link.send(packed(self._keys, queues), self._answered)
        return True

    def _answered(self, answer: int) -> None:
        self._asking = False
        self.figure = answer
