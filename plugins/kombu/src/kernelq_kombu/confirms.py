"""Which of the published messages the broker has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from kombu.connection import Connection

WINDOW = 1000
"""Messages that may wait for their confirmation at a time."""


class Sent:
    """Where the broker has a message as soon as it is sent: counts them."""

    def __init__(self) -> None:
        self.safe = 0
        """How many of this round the broker has, from the first on."""

    def begin(self) -> None:
        """Begin a new round."""
        self.safe = 0

    def add(self) -> None:
        """Note one more as sent."""
        self.safe += 1

    def finish(self) -> None:
        """Wait until the broker has all of this round."""


class Confirmed(Sent):
    """An AMQP channel with publisher confirms, waited for together: the cost is one round trip, not one per message.

    Raises TimeoutError when none comes for `timeout` seconds, OperationalError when the broker refuses a message.
    """

    def __init__(self, connection: Connection, channel: Any, timeout: float) -> None:
        super().__init__()
        self._connection = connection
        self._timeout = timeout
        self._last = 0
        self._first = 1
        self._waiting: dict[int, None] = {}
        self._refused = 0
        channel.confirm_select()
        channel.events["basic_ack"].add(self._acked)
        channel.events["basic_nack"].add(self._nacked)

    def begin(self) -> None:
        """Begin a new round."""
        super().begin()
        self._first = self._last + 1

    def add(self) -> None:
        """Note one more as sent; wait where too many are unconfirmed."""
        self._last += 1
        self._waiting[self._last] = None
        if len(self._waiting) >= WINDOW:
            self._wait(WINDOW // 2)

    def finish(self) -> None:
        """Wait until every message of this round is confirmed."""
        self._wait(0)

    def _wait(self, most: int) -> None:
        while len(self._waiting) > most:
            self._connection.drain_events(timeout=self._timeout)
            if self._refused:
                raise OperationalError(f"the broker refused {self._refused} messages")

    def _acked(self, tag: int, multiple: bool) -> None:
        for each in [waiting for waiting in self._waiting if waiting <= tag] if multiple else [tag]:
            self._waiting.pop(each, None)
        self.safe = next(iter(self._waiting), self._last + 1) - self._first

    def _nacked(self, tag: int, multiple: bool) -> None:
        self._refused += sum(waiting <= tag for waiting in self._waiting) if multiple else 1
