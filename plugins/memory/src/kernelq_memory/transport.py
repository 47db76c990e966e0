"""The `memory` transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq.kernel.contracts.transport import TransportCapability
from kernelq_memory.admin import MemoryAdmin
from kernelq_memory.broker import MemoryBroker
from kernelq_memory.lane import MemoryLane
from kernelq_memory.notices import MemoryNotices
from kernelq_memory.sender import MemorySender

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.kernel.settings import Settings


class MemoryTransport:
    """A broker in the memory of one process, for tests: ``memory://`` or ``memory://a-name``.

    The queues belong to this object, which the app keeps; two apps never meet, whatever their URLs.
    """

    capabilities = frozenset(TransportCapability) - {TransportCapability.MULTIPROCESS}
    """LEASE holds for lanes that are closed; a process that dies takes broker and consumers with it."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url
        self._broker = MemoryBroker()
        self._notices = MemoryNotices()
        self._control_state: object | None = None

    def connection(self) -> Connection:
        """Return a kombu connection whose exchanges and queues live in this object."""
        from kernelq_memory.control import ControlState, connect  # kombu comes with the first use of control

        if self._control_state is None:
            self._control_state = ControlState()
        return connect(self._control_state)

    def lane(self) -> MemoryLane:
        """Return a new lane."""
        return MemoryLane(self._broker)

    def sender(self) -> MemorySender:
        """Return a new sender."""
        return MemorySender(self._broker)

    def admin(self) -> MemoryAdmin:
        """Return the queue administration."""
        return MemoryAdmin(self._broker)

    def notices(self) -> MemoryNotices:
        """Return what the workers of this process are to know."""
        return self._notices

    def audience(self, channel: Any) -> Callable[[], int]:
        """Return what tells how many nodes got the last message that `channel` sent to all."""
        return lambda: int(channel.reached)

    def safe_url(self) -> str:
        """Return the URL; there is no password in it."""
        return self.url
