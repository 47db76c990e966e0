"""Waiting for results in stores that call nobody: one thread looks for all who wait, at most twenty times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from kernelq.forks import after_fork
from kernelq.kernel.errors import BackendUnreachable

SHORTEST = 0.05
LONGEST = 0.25
"""Seconds between two looks: shortest after news, longer each time that there are none."""
GROWTH = 1.25
SHARE = 4.0
"""Looking takes at most one part in this and one of the time, however slow the store is."""

Look = Callable[[Sequence[str]], Mapping[str, bytes]]


class Waiter:
    """One who waits for any of some results. `wake` is called from the looking thread."""

    def __init__(self, ids: Sequence[str], wake: Callable[[], None]) -> None:
        self.ids = ids
        self.found: dict[str, bytes] = {}
        self.error: BaseException | None = None
        self.looked = False
        self._wake = wake

    def tell(self, found: Mapping[str, bytes], error: BaseException | None) -> None:
        """Take what a look has found; it wakes the waiter where there is something, and after the first look."""
        self.found = {one: found[one] for one in self.ids if one in found} if found else {}
        self.error = error
        first, self.looked = not self.looked, True
        if self.found or error is not None or first:
            self._wake()


class Poller:
    """Looks with `look` for as long as anybody waits; its thread ends with the last one.

    `look` takes task ids, and returns the payloads of those that are ready; it raises `BackendUnreachable`. A forked
    child begins anew, without the parent's waiters.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._waiters: set[Waiter] = set()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        after_fork(self.forked)

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do what `ResultBackend.wait` does."""
        found = dict(self._look(task_ids)) if task_ids else {}
        if found or not task_ids or timeout == 0:
            return found
        deadline = None if timeout is None else time.monotonic() + timeout
        told = threading.Event()
        waiter = Waiter(list(task_ids), told.set)
        self.add(waiter)
        try:
            while not waiter.found:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                told.wait(left)
                told.clear()
                if waiter.error is not None:
                    raise waiter.error
        finally:
            self.remove(waiter)
        return waiter.found

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait` on the running event loop; the looking thread does all that could block it."""
        import asyncio  # 25 ms that a producer without a loop need not pay

        if not task_ids:
            return {}
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        told = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(told.set)

        waiter = Waiter(list(task_ids), wake)
        self.add(waiter)
        try:
            while not waiter.found:
                left = None if deadline is None else deadline - loop.time()
                if left is not None and left <= 0 and waiter.looked:
                    break
                try:
                    async with asyncio.timeout(left if waiter.looked else None):
                        await told.wait()
                except TimeoutError:
                    continue
                told.clear()
                if waiter.error is not None:
                    raise waiter.error
        finally:
            self.remove(waiter)
        return waiter.found

    def add(self, waiter: Waiter) -> None:
        """Look for `waiter` too, soon."""
        with self._lock:
            self._waiters.add(waiter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kernelq-results", daemon=True)
                self._thread.start()
            self._news.set()

    def remove(self, waiter: Waiter) -> None:
        """Look for it no more."""
        with self._lock:
            self._waiters.discard(waiter)
            if not self._waiters:
                self._news.set()

    def nudge(self) -> None:
        """Look soon: this process has stored something."""
        if self._waiters:
            self._news.set()

    def join(self) -> None:
        """Wait for the thread's end where nobody waits."""
        with self._lock:
            thread = None if self._waiters else self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def forked(self) -> None:
        """Begin anew, without the parent's waiters; it is called in a forked child."""
        self._lock = threading.Lock()
        self._waiters = set()
        self._news = threading.Event()
        self._thread = None

    def _run(self) -> None:
        pause = SHORTEST
        while True:
            with self._lock:
                waiters = list(self._waiters)
                if not waiters:
                    self._thread = None
                    return
                self._news.clear()
            began = time.monotonic()
            any_found = self._look_once(waiters)
            took = time.monotonic() - began
            pause = SHORTEST if any_found else min(pause * GROWTH, LONGEST)
            least = max(SHORTEST, took * SHARE)
            if self._news.wait(max(pause, least)):
                pause = SHORTEST
                time.sleep(max(0.0, began + took + least - time.monotonic()))

    def _look_once(self, waiters: Sequence[Waiter]) -> bool:
        found: Mapping[str, bytes] = {}
        error: BaseException | None = None
        try:
            found = self._look(list(dict.fromkeys(one for waiter in waiters for one in waiter.ids)))
        except BackendUnreachable as away:
            error = away
        except Exception as bug:  # noqa: BLE001 - whoever waits must hear of it, or would wait for ever
            error = BackendUnreachable(f"looking for results failed: {type(bug).__name__}: {bug}")
        for waiter in waiters:
            waiter.tell(found, error)
        return bool(found)
