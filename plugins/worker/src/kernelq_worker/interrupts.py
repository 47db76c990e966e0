"""The signals that a worker process understands."""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from kernelq.keys import POOL
from kernelq_worker.hosts.inline import InlineSupervisor

if TYPE_CHECKING:
    from kernelq_worker.worker import Worker


class Interrupts:
    """TERM and INT: warm shutdown, a second one cold; QUIT: cold; HUP: restart; USR1: every thread's stack to stderr.

    Only the main thread may install them; elsewhere nothing is done.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Take the signals over."""
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGTERM: self._end,
            signal.SIGINT: self._end,
            signal.SIGQUIT: self._quit,
            signal.SIGHUP: self._restart,
        }
        for number, handler in handlers.items():
            self._before[number] = signal.signal(number, handler)
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__ or sys.stderr, all_threads=True)

    def remove(self) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before:
            faulthandler.unregister(signal.SIGUSR1)
        self._before.clear()

    def _end(self, number: int, frame: FrameType | None) -> None:
        how = "warm" if self._worker.stopping is None else "cold"
        self._worker.shutdown(how, by=signal.Signals(number).name)  # type: ignore[arg-type]  # one of the two
        if how == "cold":
            self._cut(frame)

    def _quit(self, number: int, frame: FrameType | None) -> None:
        self._worker.shutdown("cold", by=signal.Signals(number).name)
        self._cut(frame)

    def _cut(self, frame: FrameType | None) -> None:
        """End the task that runs in this very thread, where the pool has no hosts."""
        pool = self._worker.context.get(POOL)
        if isinstance(pool, InlineSupervisor):
            pool.cut(frame)

    def _restart(self, number: int, frame: FrameType | None) -> None:
        self._worker.restart()
