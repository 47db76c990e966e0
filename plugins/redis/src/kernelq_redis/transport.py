"""The transport: what the URL schemes of Redis stand for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from kernelq.kernel.contracts.transport import TransportCapability
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_redis.admin import RedisAdmin
from kernelq_redis.audience import count, expiring
from kernelq_redis.control import connect
from kernelq_redis.keys import Keys
from kernelq_redis.lane import RedisLane
from kernelq_redis.lease import LEASE
from kernelq_redis.location import locate
from kernelq_redis.notices import RedisNotices
from kernelq_redis.sender import RedisSender
from kernelq_redis.settings import celery_rescues, options, settings_lease, timeout
from kernelq_redis.terms import Terms

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.kernel.settings import Settings


class RedisTransport:
    """A broker on Redis. See the contract `Transport`.

    `lease` is in seconds; else it is the ``lease`` of ``broker_transport_options``, else 20.
    """

    capabilities = frozenset(TransportCapability)

    def __init__(self, url: str, settings: Settings | None = None, lease: float | None = None) -> None:
        self.url = url
        self.location = locate(url, settings)
        given = options(settings)
        held, index = given.get("unacked_key", "unacked"), given.get("unacked_index_key", "unacked_index")
        self.keys = Keys(str(given.get("global_keyprefix") or ""), held, index)
        self._settings = settings
        lease = settings_lease(settings, LEASE) if lease is None else lease
        self._terms = Terms(self.location, self.keys, lease, timeout(settings), celery_rescues(settings))

    def connection(self) -> Connection:
        """Return a new kombu connection, for control commands and events; it takes no tasks."""
        return connect(self.location, self._settings)

    def lane(self) -> RedisLane:
        """Return a new lane, not yet open."""
        return RedisLane(self._terms, self._settings)

    def sender(self) -> RedisSender:
        """Return a new sender, not yet connected."""
        return RedisSender(self.location, self._settings, self.keys)

    def admin(self) -> RedisAdmin:
        """Return the queue administration."""
        return RedisAdmin(self.location, self._settings, self.keys)

    def notices(self) -> RedisNotices:
        """Return what the whole cluster is to know, kept in the same database."""
        return RedisNotices(self.location, self.keys.prefix, BrokerUnreachable, timeout(self._settings))

    def audience(self, channel: Any) -> Callable[[], int]:
        """Have `channel` count from now on; return what tells how many nodes got what it sent to all."""
        return count(channel)

    def expiring(self, channel: Any, queue: str, seconds: float) -> AbstractContextManager[None]:
        """Have what `channel` puts into a queue meanwhile vanish after so many seconds, if nobody takes it."""
        return expiring(channel, queue, seconds)

    def close(self) -> None:
        """Free what the lanes share. May be called twice; a later lane opens it again."""
        self._terms.close()

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return self.location.safe_url()
