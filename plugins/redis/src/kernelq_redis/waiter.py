"""The idle wait of one ready list: a blocking move that loses nothing, on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelq_redis.wire import ReplyError, pack

if TYPE_CHECKING:
    from kernelq_redis.keys import Keys
    from kernelq_redis.link import Link
    from kernelq_redis.terms import Term

LONGEST = 1
"""Seconds of one wait. The server may go on with it for as long after this process is gone."""


class Waiter:
    """Moves the next message of a list into a landing list, and tells; one at a time.

    `on_landed` gets the waiter, the landing list and the message; `on_nothing` the waiter, when a wait has ended.
    """

    def __init__(
        self,
        link: Link,
        client: int,
        queue: str,
        step: int,
        on_landed: Callable[[Waiter, str, bytes], None],
        on_nothing: Callable[[Waiter], None],
    ) -> None:
        self.link = link
        self.client = client
        """The number by which the server knows the connection."""
        self.queue = queue
        self.step = step
        self.waits = False
        """Whether a message may land at any time."""
        self._on_landed = on_landed
        self._on_nothing = on_nothing

    def landing(self, keys: Keys, term: Term) -> str:
        """Return the list in which its messages land in a term: the one where they are, if Celery is to rescue them."""
        if term.rescued:
            return keys.ready(self.queue, self.step)
        return keys.landing(self.queue, term.name, self.step)

    def wait(self, ready: str, landing: str) -> None:
        """Wait for a message in `ready`, if not waiting already."""
        if self.waits:
            return
        self.waits = True
        packed = pack(("BLMOVE", ready, landing, "RIGHT", "RIGHT" if landing == ready else "LEFT", LONGEST))
        self.link.send(packed, lambda raw: self._answered(landing, raw), refusable=True)
        self.link.flush()

    def _answered(self, landing: str, raw: bytes | ReplyError | None) -> None:
        self.waits = False
        if isinstance(raw, ReplyError):
            if not str(raw).startswith("OOM"):
                raise self.link.lost(raw)
            # Its memory is full. The lane's own looks go on: they free some.
        elif raw is None:
            self._on_nothing(self)
        else:
            self._on_landed(self, landing, raw)
