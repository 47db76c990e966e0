"""The result store in the same file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.errors import BackendUnreachable
from kernelq_sqlite import results
from kernelq_sqlite.doorbell import WAITERS, Bell, Ringer
from kernelq_sqlite.location import locate
from kernelq_sqlite.notices import SqliteNotices
from kernelq_sqlite.store import Store, settings_timeout

if TYPE_CHECKING:
    import asyncio

    from kernelq.kernel.settings import Settings
    from kernelq.outcome import Record

_LOOK = 0.25  # seconds between two looks without a bell
_SPARE_BELLS = 8
_CLEANUP_AT_ONCE = 2000


class SqliteBackend:
    """Results in a database file. See the contract `ResultBackend`."""

    placement = Placement.SUPERVISOR
    multiprocess = True

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.location = locate(url)
        self._store = Store(self.location, settings_timeout(settings))
        self._ringer = Ringer(self.location, WAITERS)
        self._spare: list[Bell] = []

    def store_many(self, records: Sequence[Record]) -> None:
        """Store all records in one transaction, and wake who waits for them."""
        if records:
            with self._store.write(BackendUnreachable) as db:
                results.store(db, records)
            self._ringer.ring()

    def get(self, task_id: str) -> bytes | None:
        """Return the stored payload of a task, or None."""
        with self._store.read(BackendUnreachable) as db:
            return results.payload(db, task_id)

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Block until any of the tasks is ready or `timeout` seconds have passed; return what is ready."""
        found = self._ready(task_ids)
        if found or not task_ids:
            return found
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._bell() as bell:
            while not (found := self._ready(task_ids)):
                left = _LOOK if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    break
                bell.wait(min(left, _LOOK))
        return found

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait` on the running event loop."""
        import asyncio  # 25 ms that a producer without a loop need not pay

        found = self._ready(task_ids)
        if found or not task_ids:
            return found
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        rung = asyncio.Event()
        with self._bell() as bell:
            loop.add_reader(bell.fileno(), _heard, bell, rung)
            try:
                while not (found := self._ready(task_ids)):
                    left = _LOOK if deadline is None else deadline - loop.time()
                    if left <= 0:
                        break
                    await _either(rung, min(left, _LOOK))
            finally:
                loop.remove_reader(bell.fileno())
        return found

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete results."""
        with self._store.write(BackendUnreachable) as db:
            results.forget(db, task_ids)

    def cleanup(self) -> int:
        """Delete expired results, a few at a time so that others can write meanwhile; return how many."""
        count = 0
        while True:
            with self._store.write(BackendUnreachable) as db:
                dropped = results.drop_expired(db, _CLEANUP_AT_ONCE)
            count += dropped
            if dropped < _CLEANUP_AT_ONCE:
                return count

    def notices(self) -> SqliteNotices:
        """Return what the whole cluster is to know, kept in the same file."""
        return SqliteNotices(self.location, self._store.timeout, BackendUnreachable)

    def close(self) -> None:
        """Free everything."""
        while self._spare:
            self._spare.pop().close()
        self._ringer.close()
        self._store.close()

    def safe_url(self) -> str:
        """Return the URL; it has no password."""
        return self.url

    def _ready(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        with self._store.read(BackendUnreachable) as db:
            return results.ready(db, task_ids)

    @contextmanager
    def _bell(self) -> Iterator[Bell]:
        """Lend a bell; bells are kept for the next wait, since a new one makes every ringer look around."""
        bell = self._any_bell()
        try:
            bell.drain()
            yield bell
        finally:
            if len(self._spare) < _SPARE_BELLS:
                self._spare.append(bell)
            else:
                bell.close()

    def _any_bell(self) -> Bell:
        with suppress(IndexError):
            while True:
                bell = self._spare.pop()
                if bell.fileno() >= 0:  # else a copy from before a fork
                    return bell
        return Bell(self.location, WAITERS)


def _heard(bell: Bell, rung: asyncio.Event) -> None:
    bell.drain()
    rung.set()


async def _either(event: asyncio.Event, seconds: float) -> None:
    import asyncio

    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    event.clear()
