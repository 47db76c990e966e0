"""kombu over the same file: the connection, which sleeps on a bell."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from queue import Empty
from typing import TYPE_CHECKING, Any

from kombu.connection import Connection
from kombu.transport import virtual

from kernelq.kernel.errors import BrokerLost, Unreachable
from kernelq_sqlite.channel import Channel
from kernelq_sqlite.doorbell import CHANNELS, LANES, Bell, Ringer
from kernelq_sqlite.lease import Owner, Watch
from kernelq_sqlite.location import locate
from kernelq_sqlite.recovery import Sweeper, drop_private
from kernelq_sqlite.store import Store

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer

log = logging.getLogger(__name__)

_LOOK = 0.5  # seconds between two looks without a bell


_Base: Any = virtual.Transport  # kombu is typed in parts only


class KombuTransport(_Base):  # type: ignore[misc]  # see above
    """One kombu connection to a database file."""

    Channel = Channel
    driver_type = driver_name = "sqlite"
    connection_errors = (*virtual.Transport.connection_errors, Unreachable)
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset(("direct", "topic", "fanout"))
    )

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        given = client.transport_options
        self.store = Store(locate(given["url"]), given["timeout"])
        self.store.on_failure = self._on_failure = given["on_failure"]
        self._lease: float = given["lease"]
        self._sweeper = Sweeper(self.store, Watch(self.store.location, self._lease))
        self._ringers = {kind: Ringer(self.store.location, kind) for kind in (CHANNELS, LANES)}
        self._bell: Bell | None = None
        self._owner: Owner | None = None
        self._loop: Loop | None = None
        self._timer: Timer | None = None
        self._looking = False

    def driver_version(self) -> str:
        """Return SQLite's version."""
        import sqlite3

        return sqlite3.sqlite_version

    def owner(self) -> Owner:
        """Return the owner under whose lease this connection's private queues live."""
        if self._owner is None or not self._owner.held:
            self._owner = Owner(self.store, self._lease, BrokerLost)
        return self._owner

    def ring(self, lanes: bool) -> None:
        """Wake other connections, and with `lanes` the workers' lanes."""
        self._ringers[CHANNELS].ring()
        if lanes:
            self._ringers[LANES].ring()

    # -- kombu's contract ---------------------------------------------------------------------------------------------

    def establish_connection(self) -> KombuTransport:
        """Open the file; clear away what dead clients left."""
        self.store.open(BrokerLost)
        self._sweep()
        self._bell = Bell(self.store.location, CHANNELS)
        super().establish_connection()
        return self

    def close_connection(self, connection: Any) -> None:
        """Close every channel; private queues go."""
        if self._loop is not None and self._bell is not None:
            self._loop.remove_reader(self._bell.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        try:
            super().close_connection(connection)
            self._drop_owner()
        except Unreachable as error:
            log.warning("closing a connection: %s", error)
        finally:
            if self._owner is not None:
                self._owner.let_go(unlink=True)
                self._owner = None
            if self._bell is not None:
                self._bell.close()
                self._bell = None
            for ringer in self._ringers.values():
                ringer.close()
            self.store.close()

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver one message, sleeping on the bell; raises socket.timeout (TimeoutError) after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._drain_one():
            left = _LOOK if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no message in time")
            if self._bell is None:
                raise BrokerLost("the connection is closed")
            if not self._bell.wait(min(left, _LOOK)):
                self._check_lease()

    def register_with_event_loop(self, connection: Any, loop: Loop) -> None:
        """Deliver from the loop whenever the bell rings; `loop` is kombu's Hub or the contract `Loop`."""
        if self._bell is None or self._loop is not None:
            return
        self._loop = loop
        loop.add_reader(self._bell.fileno(), self._rung)
        self._timer = loop.call_repeatedly(_LOOK * 2, self._look)
        self.look_soon()

    def look_soon(self) -> None:
        """Deliver at the loop's next turn what is there already."""
        if self._loop is not None and not self._looking:
            self._looking = True
            self._loop.call_soon(self._drain_all)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _rung(self, *_: object) -> None:
        if self._bell is not None:
            self._bell.drain()
            self._drain_all()

    def _drain_all(self) -> None:
        self._looking = False
        while self._loop is not None and self._drain_one():
            pass

    def _drain_one(self) -> bool:
        for channel in list(self.channels):
            try:
                channel.drain_events()
            except Empty:
                continue
            return True
        return False

    def _look(self) -> None:
        self._check_lease()
        self._drain_all()

    def _check_lease(self) -> None:
        if self._owner is None:
            return
        with self.store.read(BrokerLost, reopen=False) as db:
            known = db.execute("SELECT 1 FROM owner WHERE id=?", (self._owner.id,)).fetchone()
        if known is None:
            self._on_failure()
            raise BrokerLost(
                f"this connection's lease on {self.store.location.path} has ended (the process was stopped, or too "
                "busy to renew it) and its private queues are gone; connect again"
            )

    def _sweep(self) -> None:
        own = frozenset(() if self._owner is None else (self._owner.id,))
        if self._sweeper.sweep(own, BrokerLost):
            self._ringers[LANES].ring()

    def _drop_owner(self) -> None:
        if self._owner is not None and self._owner.held:
            with self.store.write(BrokerLost) as db:
                drop_private(db, self._owner.id)
                db.execute("DELETE FROM owner WHERE id=?", (self._owner.id,))


def connect(url: str, timeout: float, lease: float, on_failure: Callable[[], None]) -> Connection:
    """Return a kombu connection to the database of `url`; it opens with its first use."""
    options = {
        "url": url,
        "timeout": timeout,
        "lease": lease,
        "on_failure": on_failure,
    }
    return Connection(transport=KombuTransport, transport_options=options, connect_timeout=timeout)
