"""The transport: what the URL scheme ``sqlite`` stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq.kernel.contracts.transport import TransportCapability
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_sqlite.admin import SqliteAdmin
from kernelq_sqlite.identity import Identity
from kernelq_sqlite.lane import SqliteLane
from kernelq_sqlite.lease import Watch, settings_lease
from kernelq_sqlite.location import locate
from kernelq_sqlite.notices import SqliteNotices
from kernelq_sqlite.recovery import Sweeper
from kernelq_sqlite.sender import SqliteSender
from kernelq_sqlite.store import Store, settings_timeout

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.kernel.settings import Settings


class SqliteTransport:
    """A broker in a database file. See the contract `Transport`.

    `lease` is in seconds; else it is the ``lease`` of ``broker_transport_options``, else 20.
    """

    capabilities = frozenset(TransportCapability)

    def __init__(self, url: str, settings: Settings, lease: float | None = None) -> None:
        self.url = url
        self.location = locate(url)
        self._timeout = settings_timeout(settings)
        self._lease = lease = settings_lease(settings) if lease is None else lease
        self._store = Store(self.location, self._timeout)
        self._identity = Identity(self._store, lease)
        self._store.on_failure = self._identity.fail

    def connection(self) -> Connection:
        """Return a new kombu connection over the same file, for control commands and events."""
        from kernelq_sqlite.kombu_transport import connect  # kombu is loaded by those who need it

        return connect(self.url, self._timeout, self._lease, self._identity.fail)

    def lane(self) -> SqliteLane:
        """Return a new lane, not yet open."""
        sweeper = Sweeper(self._store, Watch(self.location, self._lease))
        return SqliteLane(self._store, self._identity, sweeper)

    def sender(self) -> SqliteSender:
        """Return a new sender with a connection of its own."""
        return SqliteSender(Store(self.location, self._timeout))

    def admin(self) -> SqliteAdmin:
        """Return the queue administration."""
        return SqliteAdmin(self.location, self._timeout)

    def notices(self) -> SqliteNotices:
        """Return what the whole cluster is to know, kept in the same file."""
        return SqliteNotices(self.location, self._timeout, BrokerUnreachable)

    def audience(self, channel: Any) -> Callable[[], int]:
        """Return what tells how many nodes got the last message that `channel` sent to all."""
        return lambda: int(channel.reached)

    def close(self) -> None:
        """Free what the lanes share. May be called twice; a later lane opens it again."""
        self._identity.close()
        self._store.close()

    def safe_url(self) -> str:
        """Return the URL; it has no password."""
        return self.url
