"""Messages that go to Redis together, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from kernelq_redis.durability import Durability
from kernelq_redis.wire import Command, ReplyError, pack

if TYPE_CHECKING:
    from kernelq_redis.keys import Keys
    from kernelq_redis.wire import Wire

WORDS = 128
"""Values in one LPUSH: Lua unpacks fewer than 256 safely."""

_BUFFER = 65536
"""Bytes that are sent before more is packed: each page of a buffer for all costs a fault, together 1 µs a task."""
_MARK_SECONDS = 600
_SEARCHED = 10_000

AGAIN = f"""
local raw, member, unacked, landing, suffix, words = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], 6
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', {_MARK_SECONDS}) then return 0 end
local function there()
  if member ~= '' and redis.call('HEXISTS', KEYS[4], member) == 1 then return true end
  for _, one in ipairs({{raw, raw .. ' '}}) do
    if redis.call('LPOS', KEYS[2], one, 'MAXLEN', {_SEARCHED}) then return true end
    for _, consumer in ipairs(redis.call('HKEYS', KEYS[3])) do
      for _, held in ipairs(redis.call('HVALS', unacked .. consumer)) do
        if held == one then return true end
      end
      if redis.call('LPOS', landing .. consumer .. suffix, one) then return true end
    end
  end
  return false
end
if there() then return 0 end
while words <= #ARGV do
  local count = tonumber(ARGV[words])
  redis.call(unpack(ARGV, words + 1, words + count))
  words = words + 1 + count
end
return 1
"""
"""Does what the parcel's commands do, unless its last message is in its queue, in flight or delayed already.

KEYS: a mark, then of that message its list, the queue's consumers and the hash of delayed messages. ARGV: the message,
its name among the delayed, what the names of in-flight hashes and of landing lists begin with, what the latter end
with. A message that is lost ends in a space. The script runs only where nobody knows whether a publication arrived: a
message that was taken and done within that moment is not found, and comes twice.
"""


class Item(msgspec.Struct, gc=False):
    """One message as it will lie in Redis."""

    queue: str
    step: int
    raw: bytes
    ident: str
    """Its ``delivery_tag``."""
    due: float | None = None
    """Seconds since the epoch; None: now."""


@attrs.define(eq=False)
class Parcel:
    """The items of one transaction, in order."""

    keys: Keys
    items: list[Item]
    declare: Callable[[set[str]], list[Command]]
    """Returns what makes queues known that this server may not know yet."""
    durability: Callable[[], Durability]
    """Returns what this server does for the level that is wanted."""
    begun: bool = False
    """Whether any of it may have reached the server."""

    @property
    def queues(self) -> set[str]:
        """The queues of the items."""
        return {item.queue for item in self.items}

    def send(self, wire: Wire) -> None:
        """Publish. Raises `ReplyError` where Redis refuses all of it, BrokerUnreachable below the durability wanted."""
        commands = self.commands()
        several = len(commands) > 1
        if several:
            commands = [("MULTI",), *commands, ("EXEC",)]
        self._talk(wire, commands, several)

    def send_again(self, wire: Wire) -> None:
        """Publish what may have arrived already."""
        last = self.items[-1]
        keys = self.keys
        member = f"{last.step}:{last.ident}" if last.due is not None else ""
        names = [
            keys.unique(last.queue, f"again:{last.ident}"),
            keys.ready(last.queue, last.step),
            keys.alive(last.queue),
            keys.bodies(last.queue),
        ]
        landing = keys.landing(last.queue, "")
        suffix = keys.landing(last.queue, "", last.step).removeprefix(landing)
        words: list[Any] = [last.raw, member, keys.unacked(last.queue, ""), landing, suffix]
        for command in self.commands():
            words += [len(command), *command]
        self._talk(wire, [("EVAL", AGAIN, len(names), *names, *words)], False)

    def commands(self) -> list[Command]:
        """Return what publishes the items: values of one list go together, in order."""
        lists: dict[tuple[str, int], list[bytes]] = {}
        delayed: list[Command] = []
        for item in self.items:
            if item.due is None:
                lists.setdefault((item.queue, item.step), []).append(item.raw)
            else:
                member = f"{item.step}:{item.ident}"
                delayed.append(("HSET", self.keys.bodies(item.queue), member, item.raw))
                delayed.append(("ZADD", self.keys.delayed(item.queue), repr(item.due), member))
        pushes: list[Command] = [
            ("LPUSH", self.keys.ready(queue, step), *raws[start : start + WORDS])
            for (queue, step), raws in lists.items()
            for start in range(0, len(raws), WORDS)
        ]
        return [*self.declare(self.queues), *pushes, *delayed]

    def _talk(self, wire: Wire, commands: Sequence[Command], transaction: bool) -> None:
        durability = self.durability()
        extra = durability.command
        self.begun = True
        data = b""
        for command in commands if extra is None else [*commands, extra]:
            if len(data) >= _BUFFER:
                wire.send(data)
                data = b""
            data += pack(command)
        replies = wire.talk(data, len(commands) + (extra is not None))
        judged = replies.pop() if extra is not None else None
        if transaction and isinstance(replies[-1], list):
            replies += replies[-1]
        for reply in replies:
            if isinstance(reply, ReplyError):
                self.begun = False
                raise reply
        if extra is not None:
            durability.judge(judged)
