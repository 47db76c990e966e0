"""A link in an event loop: read when there is something, written when there is room, kept alive by a timer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.link import Link

TICK = 2.0
"""Seconds between looks at the heartbeat; of 7 seconds, a silent network is noticed within 16."""
STUCK = 15.0
"""Seconds after which a broker that takes no byte of what waits for it is lost."""
READS = 32
"""Chunks that are read in one turn, so that nothing else waits for long."""


class Driven:
    """Everything that it does raises BrokerLost for a lost connection, after `on_loss` was called."""

    def __init__(
        self,
        loop: Loop,
        link: Link,
        connector: Connector,
        after_read: Callable[[], None],
        on_loss: Callable[[BaseException], None],
    ) -> None:
        self._loop = loop
        self._link = link
        self._connector = connector
        self._after_read = after_read
        self._on_loss = on_loss
        self._writing = False
        self._stuck_since = 0.0
        self._fd = link.sock.fileno()
        connector.driven.add(link)
        loop.add_reader(self._fd, self._readable)
        self._timer: Timer | None = loop.call_repeatedly(TICK, self._tick)

    def flush(self) -> None:
        """Write what the socket takes, the rest as soon as there is room."""
        self._guarded(self._flush)

    def stop(self) -> None:
        """Take everything out of the loop. May be called twice."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        self._loop.remove_reader(self._fd)
        if self._writing:
            self._loop.remove_writer(self._fd)

    def _readable(self, *_: object) -> None:
        self._guarded(self._read)

    def _read(self) -> None:
        for _ in range(READS):
            self._link.receive()
            if not self._link.full:
                break
        self._after_read()
        self._flush()

    def _flush(self) -> None:
        done = self._link.flush()
        if done and self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)
        elif not done and not self._writing:
            self._writing = True
            self._stuck_since = time.monotonic()
            self._loop.add_writer(self._fd, self._writable)

    def _writable(self, *_: object) -> None:
        self._stuck_since = time.monotonic()
        self.flush()

    def _tick(self) -> None:
        self._guarded(self._beat)

    def _beat(self) -> None:
        self._link.tick()
        if self._writing and self._link.blocked_since is None and time.monotonic() - self._stuck_since > STUCK:
            raise TimeoutError(f"the broker has taken nothing for {STUCK:.0f} s")
        self._after_read()

    def _guarded(self, work: Callable[[], None]) -> None:
        if self._timer is None:
            return
        try:
            with self._connector.holding():
                work()
        except BaseException as error:
            self._on_loss(error)
            raise
