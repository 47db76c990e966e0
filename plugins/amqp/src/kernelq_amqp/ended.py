"""Tasks that ended here just before their connection was lost: no broker confirms an acknowledgement."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelq_amqp.flight import Flight

LATELY = 2.0
"""Seconds within which RabbitMQ has noted an acknowledgement that it got at all."""
REMEMBERED = 120.0
"""Seconds within which it delivers again what it takes for lost."""

Key = tuple[Any, Any]


class Ended:
    """What the lanes of one transport have acknowledged lately.

    Measured: where RabbitMQ closes connections under load, it delivers one to four tasks again that had ended 10 to 60
    milliseconds before. The worker that ran them need not run them twice.
    """

    def __init__(self) -> None:
        self._lately: deque[tuple[float, list[Key]]] = deque()
        self._unsure: dict[Key, float] = {}

    def acknowledge(self, flights: Sequence[Flight]) -> None:
        """Note tasks that have ended, and are acknowledged now."""
        if not flights:
            return
        now, lately = time.monotonic(), self._lately
        lately.append((now, [_key(flight) for flight in flights]))
        while lately[0][0] < now - LATELY:
            lately.popleft()

    def lost(self) -> None:
        """Note that a connection is lost: the latest acknowledgements may not have arrived."""
        now = time.monotonic()
        self._unsure = {key: until for key, until in self._unsure.items() if until > now}
        for at, keys in self._lately:
            if at >= now - LATELY:
                self._unsure.update(dict.fromkeys(keys, now + REMEMBERED))
        self._lately.clear()

    def has(self, flight: Flight) -> bool:
        """Tell, once, whether a message that is redelivered is of such a task; it is to be acknowledged then."""
        if not self._unsure:
            return False
        key = _key(flight)
        if key[0] is None or self._unsure.pop(key, 0.0) < time.monotonic():
            return False
        self.acknowledge([flight])
        return True


def _key(flight: Flight) -> Key:
    headers = flight.came.headers
    return headers.get("id"), headers.get("retries") or 0
