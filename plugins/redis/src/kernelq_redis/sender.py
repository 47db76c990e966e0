"""The sender: messages into kombu's lists, or among the delayed ones."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError
from kernelq_redis import bindings, envelope
from kernelq_redis.dial import ERRORS
from kernelq_redis.durability import durability
from kernelq_redis.keys import redis_priority, step_of
from kernelq_redis.parcel import Item, Parcel
from kernelq_redis.pool import Pool
from kernelq_redis.settings import options, section, timeout
from kernelq_redis.wire import Command, ReplyError, Wire, pack

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings
    from kernelq.message import Message
    from kernelq_redis.keys import Keys
    from kernelq_redis.location import Location

AT_ONCE = 500
BYTES_AT_ONCE = 1024 * 1024
"""Messages, and about how many bytes, of one transaction of `RedisSender.publish_many`."""

_ROUTES_SECONDS = 5.0
_STEPS = {priority: step_of(redis_priority(priority)) for priority in range(10)}


class RedisSender:
    """Publishes messages in Celery's layout; see the contract `Sender`.

    A message that was sent on a connection that broke is looked for before it is sent again, also when the caller
    publishes the same object again after `BrokerUnreachable`.
    """

    def __init__(self, location: Location, settings: Settings | None, keys: Keys) -> None:
        given = options(settings)
        self._settings = settings
        self._keys = keys
        self._durability = durability(given, timeout(settings))
        self._delays = _delays(given.get("delay", "broker"))
        self._pool = Pool(
            location,
            BrokerUnreachable,
            timeout=timeout(settings),
            limit=section(settings).redis_max_connections,
            name="kernelq-sender",
            opened=self._opened,
        )
        self._lists: dict[tuple[str, int], str] = {}  # of queues that are declared
        self._known: set[str] = set()
        self._routes: dict[tuple[str, str], tuple[float, list[str]]] = {}
        self._doubts: WeakKeyDictionary[Message, Item | None] = WeakKeyDictionary()  # None: it is there
        self._doubtful = False

    def publish(self, message: Message) -> None:
        """Publish one message. Raises `BrokerUnreachable` within ``broker_connection_timeout``."""
        key = self._lists.get((message.queue, message.priority))
        if key is None or message.exchange or message.eta is not None or self._doubtful:
            self.publish_many((message,))
            return
        ends = time.monotonic() + self._pool.timeout
        raw = envelope.encode(message)
        wire = self._pool.take(ends)
        if not wire.used:  # the server may be a new one, which knows no queue yet
            self._pool.give(wire)
            self._publish((message,), ends)
            return
        try:
            (reply,) = wire.talk(pack(("LPUSH", key, raw)), 1)
        except ERRORS as error:
            self._pool.drop(wire)
            self._doubt((), [message], [Item(message.queue, _step(message), raw, os.urandom(16).hex())])
            if time.monotonic() >= ends:
                raise self._pool.error(error) from error
            self._publish((message,), ends)
        except BaseException:
            self._pool.drop(wire)
            raise
        else:
            self._pool.give(wire)
            if isinstance(reply, ReplyError):
                self._publish((message,), ends)  # which finds the reason, or connects to the new master

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Publish messages in order, in transactions of `AT_ONCE`, each all or none. Raises as `publish`."""
        self._publish(messages, time.monotonic() + self._pool.timeout)

    def close(self) -> None:
        """Free everything. May be called twice; a later publish opens again."""
        self._pool.close()

    def _publish(self, messages: Sequence[Message], ends: float) -> None:
        sent: list[Message] = []
        for some, items in self._chunks(messages):
            parcel = Parcel(self._keys, items, self._declarations, lambda: self._durability)
            doubtful = self._doubtful and any(message in self._doubts for message in some)
            try:
                self._pool.run(parcel.send_again if doubtful else parcel.send, parcel.send_again, ends)
            except BaseException:
                self._doubt(sent, some, items if parcel.begun else ())
                raise
            self._declared(parcel.queues)
            sent += some
        if self._doubtful:
            self._settle(messages)

    # -- what a message becomes ---------------------------------------------------------------------------------------

    def _chunks(self, messages: Sequence[Message]) -> Iterator[tuple[list[Message], list[Item]]]:
        some: list[Message] = []
        items: list[Item] = []
        size = 0
        run = os.urandom(12).hex()
        for number, message in enumerate(messages):
            ident = f"{run}{number:08x}"
            if message.exchange or message.eta is not None or self._doubtful:
                new = self._items(message, ident)
                if not new:
                    continue
                items += new
            else:
                items.append(Item(message.queue, _step(message), envelope.encode(message, ident), ident))
            some.append(message)
            size += len(items[-1].raw)
            if len(some) >= AT_ONCE or size >= BYTES_AT_ONCE:
                yield some, items
                some, items, size = [], [], 0
        if some:
            yield some, items

    def _items(self, message: Message, ident: str) -> list[Item]:
        """Return what a message becomes; nothing where it is known to be there."""
        if self._doubtful and message in self._doubts:
            known = self._doubts[message]
            return [] if known is None else [known]
        raw = envelope.encode(message, ident)
        due = message.eta if self._delays and message.eta is not None and message.eta > time.time() else None
        queues = self._targets(message) if message.exchange else [message.queue]
        return [Item(queue, _step(message), raw, ident, due) for queue in queues]

    def _targets(self, message: Message) -> list[str]:
        """Return the queues that the exchange takes the message to: kombu's bindings; the named queue without any."""
        asked = message.exchange, message.routing_key
        until, queues = self._routes.get(asked, (0.0, []))
        if time.monotonic() > until:
            key = self._keys.binding(message.exchange)
            queues = bindings.routed(self._pool.run(lambda wire: wire.call("SMEMBERS", key)), message.routing_key)
            self._routes[asked] = time.monotonic() + _ROUTES_SECONDS, queues
        return queues or [message.queue]

    def _declarations(self, queues: set[str]) -> list[Command]:
        new = sorted(queues - self._known)
        return [("SADD", *pair) for queue in new for pair in bindings.bind(self._keys, self._settings, queue)]

    def _declared(self, queues: set[str]) -> None:
        queues = queues - self._known
        self._known.update(queues)
        for queue in queues if self._durability.command is None else ():
            for priority, step in _STEPS.items():
                self._lists[queue, priority] = self._keys.ready(queue, step)

    # -- what may have arrived ----------------------------------------------------------------------------------------

    def _doubt(self, sent: Sequence[Message], some: Sequence[Message], items: Sequence[Item]) -> None:
        """Remember, for as long as the caller has them, what is sent for sure and what may be."""
        for message in sent:
            self._doubts[message] = None
        if len(items) == len(some):  # several items of one message: an exchange; what has come is not looked for
            self._doubts.update(zip(some, items, strict=True))
        self._doubtful = bool(self._doubts)

    def _settle(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._doubts.pop(message, None)
        self._doubtful = bool(self._doubts)

    def _opened(self, wire: Wire) -> None:
        """Take a new connection: the server may be another one, which knows no queue yet."""
        self._lists.clear()
        self._known.clear()
        self._durability = self._durability.check(wire)


def _step(message: Message) -> int:
    try:
        return _STEPS[message.priority]
    except KeyError:
        return envelope.step(message)  # which clamps it


def _delays(where: object) -> bool:
    """Tell whether delayed messages wait in the sorted set. Raises ConfigurationError."""
    if where not in ("broker", "header"):
        raise ConfigurationError(
            "broker_transport_options: delay is broker (delayed tasks wait in Redis until a KernelQ worker finds them "
            f"due) or header (in the worker, for Celery workers), not {where!r}"
        )
    return where == "broker"
