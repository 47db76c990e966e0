"""Results as keys: Celery's layout, written once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kernelq.states import READY_STATES, SUCCESS
from kernelq_redis.keys import SEPARATOR
from kernelq_redis.settings import options

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings
    from kernelq.outcome import Record

PREFIX = "celery-task-meta-"
"""Before the task's id (celery/backends/base.py, ``task_keyprefix``)."""

STATE = f"{SEPARATOR}state"
"""After a result's key: the key of its state, only where nobody can see it in the payload (a compressed result)."""

_NEVER = "0"
_HEAD = 96

# What JSON, msgpack and pickle begin with when the first item of a mapping is its status, as Celery's always is.
_SHOWN = re.compile(
    rb'\{\s*"status":\s*"(?P<json>[^"\\]{1,64})"'
    rb"|(?:[\x80-\x8f]|\xde..)\xa6status(?:[\xa0-\xbf]|\xd9.)(?P<msgpack>[A-Za-z_-]{1,64})"
    rb"|\x80[\x04\x05](?:\x95.{8})?\}\x94?\(?\x8c\x06status\x94?\x8c.(?P<pickle>[A-Za-z_-]{1,64})\x94",
    re.DOTALL,
)

STORE = rf"""
local function success(key)
  local head = redis.call('GETRANGE', key, 0, {_HEAD - 1})
  if head == '' then return false end
  if string.byte(head) == 123 and string.match(head, '^{{%s*"status":') then
    return string.match(head, '^{{%s*"status":%s*"SUCCESS"') ~= nil
  end
  return string.find(head, '\166status\167SUCCESS', 1, true) ~= nil
    or string.find(head, '\140\006status\148\140\007SUCCESS', 1, true) ~= nil
    or redis.call('GET', key .. '{STATE}') == 'SUCCESS'
end
local function set(key, value, ms)
  if ms == '{_NEVER}' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PX', ms) end
end
local function store(key, payload, ms, state)
  if success(key) then return 0 end
  set(key, payload, ms)
  if state == '' then
    if string.byte(payload) ~= 123 then redis.call('DEL', key .. '{STATE}') end
  else
    set(key .. '{STATE}', state, ms)
  end
  redis.call('PUBLISH', key, payload)
  return 1
end
"""
"""Lua: ``store(key, payload, ms, state)``, with what `Layout.fields` returns, writes a result and tells who waits.

A SUCCESS is never overwritten, whoever wrote it. To be put before a script that calls it.
"""

STORE_MANY = (
    f"{STORE}for i = 1, #KEYS do store(KEYS[i], ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]) end return #KEYS"
)
"""A script: KEYS are those of results, ARGV three for each: payload, milliseconds, state."""


class Layout:
    """How results are named and written: ``global_keyprefix`` of ``result_backend_transport_options`` stands first."""

    def __init__(self, settings: Settings | None) -> None:
        prefix = str(options(settings, results=True).get("global_keyprefix") or "")
        # celery/backends/base.py, _add_global_keyprefix
        self.prefix = (prefix if not prefix or prefix[-1] in ":_-." else prefix + "_") + PREFIX

    def key(self, task_id: str) -> str:
        """Return the key of a task's result, which is also the channel that tells of it."""
        return self.prefix + task_id

    def task_id(self, channel: bytes) -> str:
        """Return the task that a channel tells of."""
        return channel.decode("utf-8", "surrogateescape")[len(self.prefix) :]

    def fields(self, record: Record) -> tuple[str, bytes, str, str]:
        """Return the key, the payload, its milliseconds to live ("0": for ever), and its state where it hides it."""
        expires = record.expires
        ms = str(max(1, int(expires * 1000))) if expires else _NEVER
        shown = state_of(record.payload)
        return self.prefix + record.task_id, record.payload, ms, "" if shown == record.state else record.state

    def names(self, task_ids: Iterable[str]) -> list[str]:
        """Return every key that may be there of the results of these tasks."""
        return [name for task_id in task_ids for name in (self.prefix + task_id, self.prefix + task_id + STATE)]


def state_of(payload: bytes) -> str | None:
    """Return the state that a payload shows at its beginning, or None where it does not."""
    if payload.startswith(b'{"status": "SUCCESS"'):
        return SUCCESS
    found = _SHOWN.match(payload[:_HEAD])
    return None if found is None else str(found[found.lastgroup or 0], "utf-8", "replace")


def is_ready(state: str | None) -> bool:
    """Tell whether a task in this state has ended. An unknown one counts: whoever reads the payload finds out."""
    return state is None or state in READY_STATES
