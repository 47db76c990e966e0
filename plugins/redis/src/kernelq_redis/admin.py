"""Looking at queues, and mending them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from kernelq.delivery import DeadLetter, QueueInfo
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_redis.bindings import entity
from kernelq_redis.envelope import fingerprint
from kernelq_redis.keys import SEPARATOR, STEPS
from kernelq_redis.letters import letter, step_in
from kernelq_redis.pool import Pool
from kernelq_redis.settings import option, timeout
from kernelq_redis.wire import Command, ReplyError, Wire

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings
    from kernelq_redis.keys import Keys
    from kernelq_redis.location import Location

T = TypeVar("T")
DEAD = ".dlq"
AT_ONCE = 500
"""Buried messages that are read at a time."""

_SCANNED = 10_000
_PURGE = """
local count = redis.call('ZCARD', KEYS[1])
for i = 3, #KEYS do count = count + redis.call('LLEN', KEYS[i]) end
redis.call('DEL', unpack(KEYS))
return count
"""
_TAKE = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
local print = redis.sha1hex(ARGV[1])
redis.call('HDEL', KEYS[2], print)
redis.call('HDEL', KEYS[3], print)
if KEYS[4] then
  local raw = string.gsub(ARGV[1], ' $', '')
  redis.call('LPUSH', KEYS[4], raw)
end
return 1
"""


class RedisAdmin:
    """Queue administration. See the contract `QueueAdmin`; every call opens and closes a connection of its own."""

    def __init__(self, location: Location, settings: Settings | None, keys: Keys) -> None:
        self._location = location
        self._settings = settings
        self._keys = keys

    def queues(self) -> list[QueueInfo]:
        """Return every queue that is bound, or that KernelQ has used, sorted by name, with its counts.

        In flight is what KernelQ's workers have; queues of control commands and events are left out.
        """
        return self._do(lambda wire: [_info(wire, self._keys, name) for name in self._names(wire)])

    def purge(self, queue: str) -> int:
        """Drop the ready and delayed messages of `queue`; return how many."""
        keys = [self._keys.delayed(queue), self._keys.bodies(queue), *self._keys.lists(queue)]
        return self._do(lambda wire: int(wire.call("EVAL", _PURGE, len(keys), *keys)))

    def dead(self, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest buried messages first, of one queue or of all."""

        def look(wire: Wire) -> list[DeadLetter]:
            names = self._names(wire) if queue is None else [queue]
            found = [one for name in names for one in self._newest(wire, name, limit)]
            if queue is None:
                found.sort(key=lambda one: one.buried_at, reverse=True)
            return found[:limit]

        return self._do(look)

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one buried message, or None."""

        def look(wire: Wire) -> DeadLetter | None:
            for queue, raw in self._find(wire, {letter_id}):
                return letter(raw, queue, wire.call("HGET", self._keys.reasons(queue), letter_id))
            return None

        return self._do(look)

    def replay(self, letter_ids: Iterable[str]) -> int:
        """Put buried messages back to the end of their queues, counter at zero; return how many."""
        return self._take(letter_ids, lambda queue, raw: [self._keys.ready(queue, step_in(raw, queue))])

    def drop(self, letter_ids: Iterable[str]) -> int:
        """Delete buried messages for ever; return how many."""
        return self._take(letter_ids, lambda queue, raw: [])

    def _take(self, letter_ids: Iterable[str], to: Callable[[str, bytes], list[str]]) -> int:
        """Take letters out of the dead set, each in a step of its own, into the list that `to` names, if any."""
        wanted = set(letter_ids)
        keys = self._keys

        def take(wire: Wire) -> int:
            taken = 0
            for queue, raw in list(self._find(wire, wanted)):
                names = [keys.dead(queue), keys.reasons(queue), keys.counts(queue), *to(queue, raw)]
                taken += int(wire.call("EVAL", _TAKE, len(names), *names, raw))
            return taken

        return self._do(take) if wanted else 0

    def _find(self, wire: Wire, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        """Yield queue and message of those letters, until all are found."""
        left = set(wanted)
        for queue in self._names(wire):
            for raw in _each(wire, self._keys.dead(queue)):
                print_ = fingerprint(raw)
                if print_ in left:
                    left.discard(print_)
                    yield queue, raw
                if not left:
                    return

    def _newest(self, wire: Wire, queue: str, limit: int) -> Iterator[DeadLetter]:
        raws = wire.call("LRANGE", self._keys.dead(queue), 0, limit - 1) if limit > 0 else []
        if raws:
            notes = wire.call("HMGET", self._keys.reasons(queue), *map(fingerprint, raws))
            yield from (letter(raw, queue, note) for raw, note in zip(raws, notes, strict=True))

    def _names(self, wire: Wire) -> list[str]:
        """Return the queues: our own set, kombu's tables of bindings, and those that the settings name."""
        keys = self._keys
        named = {name.decode("utf-8", "replace") for name in wire.call("SMEMBERS", keys.queues)}
        private = {option(self._settings, "event_exchange", "celeryev")}
        for table in _scan(wire, _literally(keys.binding("")) + "*"):
            exchange = table.decode("utf-8", "replace")[len(keys.binding("")) :]
            if exchange not in private and not exchange.endswith(".pidbox"):
                members = wire.call("SMEMBERS", table)
                named |= {one.decode("utf-8", "replace").rpartition(SEPARATOR)[2] for one in members}
        default = option(self._settings, "task_default_queue", "celery")
        configured = getattr(self._settings, "task_queues", None) or ()
        given = {entity(self._settings, one if isinstance(one, str) else one.name).name for one in configured}
        there = wire.many([("EXISTS", *keys.lists(name)) for name in sorted({default, *given})])
        named |= {name for name, exists in zip(sorted({default, *given}), there, strict=True) if exists}
        return sorted(name for name in named if name and not (name.endswith(DEAD) and name[: -len(DEAD)] in named))

    def _do(self, work: Callable[[Wire], T]) -> T:
        pool = Pool(self._location, BrokerUnreachable, timeout=timeout(self._settings), limit=1, name="kernelq-admin")
        try:
            return pool.run(work)
        finally:
            pool.close()


def _info(wire: Wire, keys: Keys, queue: str) -> QueueInfo:
    commands: list[Command] = [("LLEN", key) for key in (*keys.lists(queue), keys.dead(queue))]
    *ready, dead, delayed, consumers = _sound(
        wire.many([*commands, ("ZCARD", keys.delayed(queue)), ("HKEYS", keys.alive(queue))])
    )
    flying: list[Command] = []
    for consumer in consumers:
        name = consumer.decode("utf-8", "replace")
        flying.append(("HLEN", keys.unacked(queue, name)))
        flying += [("LLEN", keys.landing(queue, name, step)) for step in STEPS]
    in_flight = sum(_sound(wire.many(flying))) if flying else 0
    return QueueInfo(queue, ready=sum(ready), in_flight=in_flight, delayed=delayed, dead=dead)


def _each(wire: Wire, key: str) -> Iterator[bytes]:
    """Yield the entries of a list, oldest first, so that new ones disturb nothing."""
    start = -AT_ONCE
    while True:
        found = wire.call("LRANGE", key, start, start + AT_ONCE - 1)
        yield from reversed(found)
        if len(found) < AT_ONCE:
            return
        start -= AT_ONCE


def _scan(wire: Wire, pattern: str) -> Iterator[bytes]:
    cursor: Any = 0
    while True:
        cursor, found = wire.call("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED, "TYPE", "set")
        yield from found
        if cursor in (b"0", 0):
            return


def _literally(text: str) -> str:
    """Return a pattern of SCAN that means `text` itself."""
    return "".join(f"\\{one}" if one in "*?[]\\^-" else one for one in text)


def _sound(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise reply
    return replies
