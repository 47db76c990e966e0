"""Results in the memory of one process."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kernelq import states
from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.errors import BackendUnreachable
from kernelq_memory.notices import MemoryNotices

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings
    from kernelq.outcome import Record


class Stored:
    """One result, and when it ends (seconds of the monotonic clock, or None)."""

    __slots__ = ("ends", "payload", "state")

    def __init__(self, record: Record, now: float) -> None:
        self.state = record.state
        self.payload = record.payload
        self.ends = None if record.expires is None else now + record.expires


class MemoryBackend:
    """A result store for tests: ``memory://``. It belongs to the app that made it, and to one process."""

    placement = Placement.SUPERVISOR
    multiprocess = False

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._stored: dict[str, Stored] = {}
        self._watchers: set[Callable[[], None]] = set()
        self._notices = MemoryNotices()

    def store_many(self, records: Sequence[Record]) -> None:
        """Store `records`, but none over a SUCCESS; raises BackendUnreachable in a forked child."""
        if not records:
            return
        now = time.monotonic()
        with self._here():
            for record in records:
                old = self._fresh(record.task_id, now)
                if old is None or old.state != states.SUCCESS:
                    self._stored[record.task_id] = Stored(record, now)
            self._changed.notify_all()
            watchers = list(self._watchers)
        for wake in watchers:
            wake()

    def get(self, task_id: str) -> bytes | None:
        """Return the payload of a task, or None."""
        with self._here():
            stored = self._fresh(task_id, time.monotonic())
        return None if stored is None else stored.payload

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Block until one of `task_ids` is ready, at most `timeout` seconds; return those that are."""
        with self._here():
            self._changed.wait_for(lambda: self._ready(task_ids), timeout)
            return self._ready(task_ids)

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait` without blocking the event loop."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self._here():
            self._watchers.add(wake)
        try:
            async with asyncio.timeout(timeout):
                while not (ready := self._ready_now(task_ids)):
                    await changed.wait()
                    changed.clear()
                return ready
        except TimeoutError:
            return self._ready_now(task_ids)
        finally:
            with self._here():
                self._watchers.discard(wake)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete results."""
        with self._here():
            for task_id in task_ids:
                self._stored.pop(task_id, None)

    def cleanup(self) -> int:
        """Delete what has expired; return how many."""
        now = time.monotonic()
        with self._here():
            before = len(self._stored)
            for task_id in list(self._stored):
                self._fresh(task_id, now)
            return before - len(self._stored)

    def notices(self) -> MemoryNotices:
        """Return what the workers of this process are to know."""
        return self._notices

    def close(self) -> None:
        """Keep everything: the results live as long as this object."""

    def safe_url(self) -> str:
        """Return the URL; there is no password in it."""
        return self.url

    def _here(self) -> threading.Condition:
        if os.getpid() != self._pid:
            raise BackendUnreachable(
                f"the memory:// results live in process {self._pid}, not in {os.getpid()}: "
                "set a result_backend that other processes see"
            )
        return self._changed

    def _fresh(self, task_id: str, now: float) -> Stored | None:
        stored = self._stored.get(task_id)
        if stored is not None and stored.ends is not None and stored.ends <= now:
            del self._stored[task_id]
            return None
        return stored

    def _ready(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        now = time.monotonic()
        found = ((task_id, self._fresh(task_id, now)) for task_id in task_ids)
        return {task_id: s.payload for task_id, s in found if s is not None and s.state in states.READY_STATES}

    def _ready_now(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        with self._here():
            return self._ready(task_ids)
