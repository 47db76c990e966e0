"""The connection for control commands and events: kombu's, with a heart of its own."""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable
from threading import get_ident
from typing import Any

from kombu import connection

from kernelq.kernel.errors import BrokerLost
from kernelq_amqp.link import discard

READS = 100
"""Messages that are taken in one turn, so that nothing else waits for long."""
BRIEF = 0.001
"""Seconds that the rest of a frame is waited for. Where it is not waited for at all, py-amqp asks again and again until
it has come (amqp/transport.py, `_read`), and the loop would stand still with a network that has stopped in a frame."""

Base: Any = connection.Connection  # it is annotated here and there


class ControlConnection(Base):  # type: ignore[misc]  # see Base
    """A kombu connection that keeps up its heartbeat in the event loop it is registered with.

    A client that only asks and leaves has no loop; its connection is gone before a heartbeat is due. Out of the loop
    comes BrokerLost where it breaks, after `on_loss` was called.
    """

    on_loss: Callable[[BaseException], None] | None = None
    _loop: Any = None
    _thread = 0
    _beat: Any = None
    _broken = _silent = False

    def register_with_event_loop(self, loop: Any) -> None:
        """Have `loop` read for this connection, and check it twice in every heartbeat."""
        super().register_with_event_loop(loop)
        self._loop, self._thread, self._fd = loop, get_ident(), self.connection.sock.fileno()
        loop.add_reader(self._fd, self._read)  # in the place of kombu's, whose errors end nothing
        interval = self.get_heartbeat_interval()
        if interval:
            self._beat = loop.call_repeatedly(interval / 2, self._check)

    def lose(self, silent: bool) -> None:
        """Note that another connection was lost: this one is closed without a handshake.

        `silent`: it was the network. So an answer is not waited for here either, and the loop is told soon.
        """
        self._broken = True
        if silent and self._thread == get_ident():  # in another thread it finds out by itself
            self._silent = True
            self._leave_loop()
            self._drop()

    def release(self) -> None:
        """Close; the heart stops first. A broken one is dropped without a closing handshake."""
        beat, self._beat = self._beat, None
        if beat is not None:
            beat.cancel()
        self._leave_loop()
        if self._broken:
            self._drop()
        super().release()

    close = release

    def _leave_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.remove_reader(self._fd)

    def _drop(self) -> None:
        transport = getattr(self._connection, "transport", None)
        sock = getattr(transport, "sock", None)
        if transport is not None and sock is not None:
            transport.sock, transport.connected = None, False
            discard(sock)
        self.collect()

    def _read(self) -> None:
        self._guarded(self._drain)

    def _drain(self) -> None:
        try:
            for _ in range(READS):
                self.drain_events(timeout=BRIEF)
                if not self._more():
                    return
        except TimeoutError:
            return

    def _more(self) -> bool:
        sock = getattr(getattr(self._connection, "transport", None), "sock", None)
        if sock is None:
            return False
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        return bool(poller.poll(0)) or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)

    def _check(self) -> None:
        if self._silent:
            raise BrokerLost("control connection: the network is silent")
        self._guarded(lambda: self.heartbeat_check(rate=2))

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (*self.connection_errors, *self.channel_errors) as error:
            lost = BrokerLost(f"control connection: {error}")
            lost.__cause__ = error
            if self.on_loss is not None:
                self.on_loss(lost)
            raise lost from error
