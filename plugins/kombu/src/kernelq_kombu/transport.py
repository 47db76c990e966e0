"""Any broker that kombu knows, by its URL."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakMethod, WeakSet

from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq_kombu.admin import KombuAdmin
from kernelq_kombu.connector import Connector
from kernelq_kombu.lane import KombuLane
from kernelq_kombu.sender import KombuSender

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.kernel.settings import Settings


class KombuTransport:
    """A broker behind one of kombu's transports: ``amqp://``, ``redis://``, ``filesystem://``, ``sqs://`` and the rest.

    What kombu's transports do not have in common is not promised: no DELAY (deferred messages wait in the worker, in
    flight, a thousand at most), no COUNTER (a worker that dies is not counted; a host that dies is, by a republished
    message), LEASE on AMQP only.
    """

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url
        self._settings = settings
        self._known: set[str] = set()
        self._made: WeakSet[KombuLane | KombuSender] = WeakSet()
        os.register_at_fork(after_in_child=_forked(WeakMethod(self._forked)))

    @cached_property
    def _connector(self) -> Connector:
        return Connector(self.url, self._settings)

    @cached_property
    def capabilities(self) -> frozenset[Can]:
        """What holds for this URL's transport; loads kombu's transport, connects to nothing."""
        able = {Can.DEAD_SET, Can.PURGE}
        connector = self._connector
        if connector.fanout:
            able.add(Can.FANOUT)
        if connector.driver != "memory":
            able.add(Can.MULTIPROCESS)
        if connector.driver == "amqp":
            able.add(Can.LEASE)
        if connector.driver == "redis" or (
            connector.driver == "amqp" and connector.option("task_queue_max_priority", None)
        ):
            able.add(Can.PRIORITY)
        return frozenset(able)

    def connection(self) -> Connection:
        """Return a new kombu connection for control and events."""
        return self._connector.connection(heartbeat=True)

    def lane(self) -> KombuLane:
        """Return a new lane."""
        lane = KombuLane(self._connector, self.sender(), self._known)
        self._made.add(lane)
        return lane

    def sender(self) -> KombuSender:
        """Return a new sender."""
        sender = KombuSender(self._connector, self._known)
        self._made.add(sender)
        return sender

    def admin(self) -> KombuAdmin:
        """Return the queue administration."""
        return KombuAdmin(self._connector, self._known)

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return self._connector.safe_url()

    def _forked(self) -> None:
        for each in list(self._made):
            each.forked()


def _forked(method: WeakMethod[Callable[[], None]]) -> Callable[[], None]:
    def call() -> None:
        alive = method()
        if alive is not None:
            alive()

    return call
