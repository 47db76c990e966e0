"""The result store on Redis: Celery's keys, written once, waited for by subscription."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.errors import BackendUnreachable
from kernelq_redis.location import locate
from kernelq_redis.notices import RedisNotices
from kernelq_redis.pool import Pool
from kernelq_redis.results import PREFIX, STATE, STORE_MANY, Layout, is_ready, state_of
from kernelq_redis.settings import section
from kernelq_redis.subscriber import Subscriber, Waiter
from kernelq_redis.wire import ReplyError, Wire

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings
    from kernelq.outcome import Record

AT_ONCE = 64
BYTES_AT_ONCE = 1024 * 1024
"""Results, and about how many bytes, that one script writes."""

GATHER = 0.005
"""Seconds that a wait for many results goes on after the first, so that it need not be begun anew for each."""

_MANY = 64
_READ_AT_ONCE = 500
_SHA = hashlib.sha1(STORE_MANY.encode(), usedforsecurity=False).hexdigest()


class RedisBackend:
    """Results on Redis. See the contract `ResultBackend`.

    A lane on the same database (`location`) stores results in the script that settles: `layout` names the fields.
    """

    placement = Placement.SUPERVISOR
    multiprocess = True

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url
        self.location = locate(url, settings, results=True)
        self.layout = Layout(settings)
        own = section(settings)
        self._pool = Pool(
            self.location,
            BackendUnreachable,
            timeout=own.redis_socket_timeout,
            limit=own.redis_max_connections,
            name="kernelq-store",
        )
        self._subscriber = Subscriber(self.location, self.layout, own.redis_socket_timeout)

    def store_many(self, records: Sequence[Record]) -> None:
        """Store all records, in scripts of at most `AT_ONCE`, and wake who waits for them."""
        for some in _chunks(records):
            fields = [self.layout.fields(record) for record in some]
            keys = [key for key, *_ in fields]
            self._pool.run(_storing(len(keys), *keys, *(value for _, *values in fields for value in values)))

    def get(self, task_id: str) -> bytes | None:
        """Return the stored payload of a task, or None."""
        found: bytes | None = self._pool.run(lambda wire: wire.call("GET", self.layout.key(task_id)))
        return found

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Block until any of the tasks is ready or `timeout` seconds have passed; return what is ready."""
        if not task_ids:
            return {}
        ends = None if timeout is None else time.monotonic() + timeout
        only_look = timeout is not None and timeout <= 0
        found = self._ready(list(task_ids) if only_look else self._subscriber.unknown(task_ids))
        if found or only_look:
            return found
        woken = threading.Event()
        waiter = Waiter(task_ids, woken.set)
        self._subscriber.add(waiter)
        try:
            if woken.wait(None if ends is None else max(0.0, ends - time.monotonic())) and len(task_ids) > _MANY:
                time.sleep(GATHER)
        finally:
            self._subscriber.remove(waiter)
        return _outcome(waiter)

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait` on the running event loop."""
        import asyncio  # 25 ms that a producer without a loop need not pay

        if not task_ids:
            return {}
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)

        waiter = Waiter(task_ids, wake)
        self._subscriber.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                await woken.wait()
                if len(task_ids) > _MANY:
                    await asyncio.sleep(GATHER)
        except TimeoutError:
            pass
        finally:
            self._subscriber.remove(waiter)
        return _outcome(waiter)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete results."""
        for start in range(0, len(task_ids), _READ_AT_ONCE):
            command = ("DEL", *self.layout.names(task_ids[start : start + _READ_AT_ONCE]))
            self._pool.run(methodcaller("call", *command))

    def cleanup(self) -> int:
        """Return 0: Redis drops by itself what has expired."""
        return 0

    def notices(self) -> RedisNotices:
        """Return what the whole cluster is to know, kept in the same database."""
        prefix = self.layout.prefix.removesuffix(PREFIX)
        return RedisNotices(self.location, prefix, BackendUnreachable, self._pool.timeout)

    def close(self) -> None:
        """Free everything; whoever waits in another thread is told."""
        self._subscriber.close()
        self._pool.close()

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return self.location.safe_url()

    def _ready(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for start in range(0, len(task_ids), _READ_AT_ONCE):
            found |= self._pool.run(partial(self._look, task_ids[start : start + _READ_AT_ONCE]))
        return found

    def _look(self, task_ids: Sequence[str], wire: Wire) -> dict[str, bytes]:
        payloads = wire.call("MGET", *map(self.layout.key, task_ids))
        there = {task_id: payload for task_id, payload in zip(task_ids, payloads, strict=True) if payload is not None}
        states = {task_id: state_of(payload) for task_id, payload in there.items()}
        hidden = [task_id for task_id, state in states.items() if state is None]
        if hidden:
            told = wire.call("MGET", *(self.layout.key(task_id) + STATE for task_id in hidden))
            states |= {
                task_id: None if state is None else state.decode("utf-8", "replace")
                for task_id, state in zip(hidden, told, strict=True)
            }
        return {task_id: payload for task_id, payload in there.items() if is_ready(states[task_id])}


def _outcome(waiter: Waiter) -> dict[str, bytes]:
    if waiter.failure is not None and not waiter.found:
        raise waiter.failure
    return waiter.found


def _storing(*arguments: Any) -> Callable[[Wire], Any]:
    def store(wire: Wire) -> Any:
        try:
            return wire.call("EVALSHA", _SHA, *arguments)
        except ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return wire.call("EVAL", STORE_MANY, *arguments)

    return store


def _chunks(records: Sequence[Record]) -> Iterator[list[Record]]:
    some: list[Record] = []
    size = 0
    for record in records:
        some.append(record)
        size += len(record.payload)
        if len(some) >= AT_ONCE or size >= BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some
