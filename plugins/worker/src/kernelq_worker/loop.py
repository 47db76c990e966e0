"""The worker's event loop: kombu's Hub, turned by ourselves."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.asynchronous.hub import Hub
from kombu.asynchronous.timer import Timer as KombuTimer
from kombu.utils.eventio import ERR, READ, WRITE

from kernelq.kernel.errors import BrokerLost

if TYPE_CHECKING:
    from kernelq.handles import Timer

logger = logging.getLogger(__name__)

LONGEST_WAIT = 10.0
"""Seconds that a turn waits for events at most, when nothing is scheduled."""
TIMERS_PER_TURN = 1000
FAILURES_PER_DESCRIPTOR = 10
"""A descriptor whose callback raises this often in a row is no longer watched, so that it cannot spin the loop."""

Callback = tuple[Callable[..., Any], tuple[Any, ...]]


class Timers(KombuTimer):
    """kombu's timer, monotonic, which can also tell when it is next due."""

    def wait(self) -> float:
        """Return the seconds until the next timer is due, 0 when one is, at most `LONGEST_WAIT`."""
        if not self._queue:
            return LONGEST_WAIT
        return float(min(max(self._queue[0][0] - monotonic(), 0.0), LONGEST_WAIT))


class _Hub(Hub):
    """kombu's hub as a register of descriptors, timers and ticks; `WorkerLoop` turns it.

    Two things are mended for whoever uses the hub itself (kombu's transports): a descriptor may be watched for reading
    and for writing at once, which kombu's poller passes over in silence, and `call_soon` keeps the order.
    """

    def __init__(self, loop: WorkerLoop, timers: Timers) -> None:
        self._worker_loop = loop
        super().__init__(timer=timers)  # type: ignore[no-untyped-call]  # kombu has no types

    def add(self, fd: Any, callback: Any, flags: int, args: Any = (), consolidate: bool = False) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        (self.readers if flags & READ else self.writers)[number] = (callback, args)
        try:
            self._watch(number)
        except (OSError, ValueError):
            self._discard(number)  # type: ignore[no-untyped-call]  # kombu's
            raise

    def _watch(self, fd: int) -> None:
        flags = (READ | ERR if fd in self.readers else 0) | (WRITE if fd in self.writers else 0)
        self._unregister(fd)  # type: ignore[no-untyped-call]  # kombu's
        if flags:
            self.poller.register(fd, flags)

    def remove_reader(self, fd: Any) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        if self.readers.pop(number, None) is not None:
            self._watch(number)

    def remove_writer(self, fd: Any) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        if self.writers.pop(number, None) is not None:
            self._watch(number)

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any:
        self._worker_loop.call_soon(callback, *args)
        return callback


class WorkerLoop:
    """The `Loop` of the supervisor, on a kombu hub.

    A turn waits for events, then calls back for descriptors, timers and `call_soon`, and last what was given to
    `on_turn`. kombu's own ``Hub.create_loop`` is not used: it drops the events behind a callback that raises, and calls
    what was given to ``call_soon`` in no order. Everything but `call_soon` is for the loop's own thread.
    """

    def __init__(self, timers: Timers | None = None) -> None:
        self.propagate: tuple[type[BaseException], ...] = (BrokerLost,)
        """Errors of these types leave `run`, out of whatever callback; all others are logged."""
        self._stopped = False
        self._ready: deque[Callback] = deque()
        self._on_turn: list[Callable[[], None]] = []
        self._failures: dict[int, int] = {}
        self._polling = False
        self._woken = False
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        hub: Any = _Hub(self, timers or Timers())  # type: ignore[no-untyped-call]  # kombu has no types
        self.hub = hub
        """For kombu's ``register_with_event_loop``."""
        self.hub.add_reader(self._wake_reader, self._drain_waker)
        self._closed = False

    # -- the contract Loop

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever `fd` can be read, and when it is hung up."""
        self.hub.add_reader(fd, callback, *args)

    def remove_reader(self, fd: int) -> None:
        """Undo `add_reader`; unknown descriptors are passed over. Call it before the descriptor is closed."""
        self.hub.remove_reader(fd)

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever `fd` can be written."""
        self.hub.add_writer(fd, callback, *args)

    def remove_writer(self, fd: int) -> None:
        """Undo `add_writer`; unknown descriptors are passed over."""
        self.hub.remove_writer(fd)

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call back at the next turn, in order. Safe from any thread and from a signal handler; wakes the loop."""
        # No lock: a signal handler would deadlock on it. The entry is made before `_polling` is read, and the loop
        # sets `_polling` before it looks for entries, so one of the two sees the other.
        self._ready.append((callback, args))
        if self._polling and not self._woken:
            self._woken = True
            with suppress(OSError):  # full means that a wake-up is already under way
                os.write(self._wake_writer, b"\0")

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back once after `seconds` of the monotonic clock."""
        timer: Timer = self.hub.timer.call_after(seconds, callback, args)
        return timer

    def call_repeatedly(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back every `seconds` until cancelled."""
        timer: Timer = self.hub.timer.call_repeatedly(seconds, callback, args)
        return timer

    # -- turning

    def on_turn(self, callback: Callable[[], None]) -> None:
        """Call back at the end of every turn, to settle and submit what the turn gathered."""
        self._on_turn.append(callback)

    def off_turn(self, callback: Callable[[], None]) -> None:
        """Undo `on_turn`; unknown callbacks are passed over."""
        with suppress(ValueError):
            self._on_turn.remove(callback)

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Turn until `until` is true, or `stop` is called; raises what a callback raised of a type in `propagate`."""
        self._stopped = False
        while not self._stopped and not (until is not None and until()):
            self.turn()

    def stop(self) -> None:
        """Let the innermost `run` return at the end of its turn. From other threads: ``loop.call_soon(loop.stop)``."""
        self._stopped = True

    def turn(self, longest: float = LONGEST_WAIT) -> None:
        """Wait for events, at most `longest` seconds, and call back once for each."""
        hub = self.hub
        for tick in list(hub.on_tick):
            self._call(tick, ())
        self._woken = False
        self._polling = True
        try:
            events = hub.poller.poll(0 if self._ready else min(hub.timer.wait(), longest))
        finally:
            self._polling = False
        for fd, event in events or ():
            self._dispatch(fd, event)
        if hub.timer:
            self._fire_timers()
        ready = self._ready
        for _ in range(len(ready)):
            callback, args = ready.popleft()
            self._call(callback, args)
        for callback in list(self._on_turn):
            self._call(callback, ())

    def _dispatch(self, fd: int, event: int) -> None:
        reader = self.hub.readers.get(fd)
        if reader is not None and event & (READ | ERR):
            self._call_for(fd, reader)
        # The first callback may have removed the second.
        writer = self.hub.writers.get(fd)
        if writer is not None and event & (WRITE | ERR):
            self._call_for(fd, writer)
        if reader is None and writer is None:
            self.hub.remove(fd)

    def _call_for(self, fd: int, callback: Callback) -> None:
        if self._call(*callback):
            if self._failures:
                self._failures.pop(fd, None)
            return
        failures = self._failures[fd] = self._failures.get(fd, 0) + 1
        if failures >= FAILURES_PER_DESCRIPTOR:
            logger.error("descriptor %d is no longer watched: %r failed %d times", fd, callback[0], failures)
            self._failures.pop(fd, None)
            self.hub.remove(fd)

    def _fire_timers(self) -> None:
        for _ in range(TIMERS_PER_TURN):
            _, entry = next(self.hub.scheduler)
            if entry is None:
                break
            self._call(entry, ())

    def _call(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> bool:
        try:
            callback(*args)
        except self.propagate:
            raise
        except Exception:  # the loop outlives whatever a plugin's callback raises
            logger.exception("callback %r failed", callback)
            return False
        return True

    def _drain_waker(self) -> None:
        with suppress(OSError):
            os.read(self._wake_reader, 4096)

    # -- the end

    def close(self) -> None:
        """Free the poller and the waker. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.hub.close()
        self._close_waker()

    def close_after_fork(self) -> None:
        """In a forked child: close the descriptors, and touch nothing of what the parent still watches."""
        # An epoll set is shared with the parent: to unregister here would unregister there.
        self._closed = True
        poller, self.hub.poller = self.hub.poller, None
        poller.close()
        self._close_waker()
        self.hub.readers.clear()
        self.hub.writers.clear()

    def _close_waker(self) -> None:
        for fd in (self._wake_reader, self._wake_writer):
            with suppress(OSError):
                os.close(fd)
