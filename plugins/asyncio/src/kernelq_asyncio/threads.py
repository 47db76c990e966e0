"""Threads for plain functions, as many as run at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from types import TracebackType

log = logging.getLogger("kernelq.host")


class Threads:
    """Runs work in at most `most` threads; each is made when no other is free, and stays.

    A `concurrent.futures.ThreadPoolExecutor` makes a future with a lock for each work; nobody waits for these here.
    All but the work is for one thread.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def run(self, work: Callable[[], object], running: int) -> None:
        """Run `work`, which raises nothing, as soon as a thread is free; `running` tells how much there is with it.

        Raises RuntimeError where a thread cannot be made; `work` then waits for those that there are.
        """
        self._work.put(work)
        if running > len(self._threads) and len(self._threads) < self._most:
            thread = Thread(target=self._serve, name=f"kernelq-slot-{len(self._threads) + 1}")
            thread.start()
            self._threads.append(thread)

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Wait until all work has ended."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except BaseException:  # the thread is for other work too
                log.exception("a job's end could not be told")
