"""Waiting for results by subscription: one connection and one thread of a process, for everybody who waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kernelq.kernel.errors import BackendUnreachable, Unreachable
from kernelq_redis.bell import Bell
from kernelq_redis.dial import ERRORS, unreachable
from kernelq_redis.forks import watch
from kernelq_redis.listening import Listening

if TYPE_CHECKING:
    from kernelq_redis.location import Location
    from kernelq_redis.results import Layout

LINGER = 5.0
"""Seconds that a channel stays subscribed after the last waiter left, who often comes back at once for the rest."""

IDLE = 10.0
"""Seconds after which thread and connection end when nobody waits."""

_LONGEST_PAUSE = 0.5  # seconds between two attempts to connect


class Waiter:
    """Someone who waits for the first of several results; `wake` is called from another thread, once or more."""

    def __init__(self, task_ids: Sequence[str], wake: Callable[[], None]) -> None:
        self.task_ids = task_ids
        self.wake = wake
        self.found: dict[str, bytes] = {}
        self.failure: Unreachable | None = None
        self.since = time.monotonic()


class Channel:
    """What is known of one task's result."""

    def __init__(self) -> None:
        self.waiters: set[Waiter] = set()
        self.payload: bytes | None = None
        """The result, where it came while nobody waited."""


class Subscriber:
    """Everybody who waits for results of one store. Thread-safe; a forked child begins anew.

    No wake-up is lost: a channel is subscribed first, then its result is read, on the same connection; and so again
    after a reconnect. Waiters are told of a store that does not come back within `timeout` seconds.
    """

    def __init__(self, location: Location, layout: Layout, timeout: float) -> None:
        self.location = location
        self.layout = layout
        self.timeout = timeout
        self.name = "kernelq-results"
        """As ``CLIENT LIST`` shows its connection."""
        self._listening: Listening | None = None
        self._bell: Bell | None = None
        self._renew()
        watch(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._channels: dict[str, Channel] = {}
        self._lingering: dict[str, float] = {}  # when its last waiter left, in that order
        self._new: deque[str] = deque()
        self._dropped: list[str] = []
        self._stopping = False

    def forked(self) -> None:
        """Leave the parent's connection alone; called in a forked child."""
        if self._listening is not None:
            self._listening.close()
        if self._bell is not None:
            self._bell.close()
        self._listening = self._bell = None
        self._renew()

    # -- for those who wait, in any thread

    def unknown(self, task_ids: Iterable[str]) -> list[str]:
        """Return those that nobody listens for yet."""
        return [task_id for task_id in task_ids if task_id not in self._channels]

    def add(self, waiter: Waiter) -> None:
        """Wake `waiter` when the first of its tasks has ended, or the store is away; until `remove`."""
        with self._lock:
            for task_id in waiter.task_ids:
                channel = self._channels.get(task_id)
                if channel is None:
                    channel = self._channels[task_id] = Channel()
                    self._new.append(task_id)
                elif channel.payload is not None:
                    waiter.found[task_id] = channel.payload
                channel.waiters.add(waiter)
                self._lingering.pop(task_id, None)
            if waiter.found:
                waiter.wake()
            if self._new:
                self._ring()

    def remove(self, waiter: Waiter) -> None:
        """Forget `waiter`. May come twice."""
        now = time.monotonic()
        with self._lock:
            for task_id in waiter.task_ids:
                channel = self._channels.get(task_id)
                if channel is not None and waiter in channel.waiters:
                    channel.waiters.discard(waiter)
                    if not channel.waiters:
                        self._lingering[task_id] = now

    def close(self) -> None:
        """End thread and connection; whoever waits is told. A later `add` begins anew."""
        with self._lock:
            thread = self._thread
            self._stopping = thread is not None
            if self._bell is not None:
                self._bell.ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self.timeout)

    def _ring(self) -> None:
        if self._thread is None:
            self._bell = Bell()
            self._thread = threading.Thread(target=self._run, args=(self._bell,), name="kernelq-results", daemon=True)
            self._thread.start()
        elif self._bell is not None:
            self._bell.ring()

    # -- the thread

    def _run(self, bell: Bell) -> None:
        lost_at = time.monotonic()
        pause = 0.02
        while True:
            try:
                self._listening = Listening(self.location, self.layout, self.timeout, self.name)
                pause = 0.02
                with self._lock:
                    self._new = deque(self._channels)
                    self._dropped.clear()
                if self._listen(self._listening, bell):
                    return
            except ERRORS as error:
                problem = unreachable(BackendUnreachable, self.location, error)
            finally:
                if self._listening is not None:
                    self._listening.close()
            if self._listening is not None:  # it was connected, so it is lost since now
                self._listening, lost_at = None, time.monotonic()
            self._fail(problem, lost_at)
            if self._ended(bell):
                return
            bell.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _listen(self, listening: Listening, bell: Bell) -> bool:
        """Listen until nobody waits any more; return whether the thread is to end."""
        quiet_since = time.monotonic()
        while True:
            with self._lock:
                listening.drop(self._dropped)
                self._dropped = []
                listening.ask(self._new)
            for task_id, payload in listening.turn(bell):
                self._deliver(task_id, payload)
            now = time.monotonic()
            if self._expire(now):
                quiet_since = now
            if (self._stopping or now - quiet_since > IDLE) and self._ended(bell):
                return True

    def _deliver(self, task_id: str, payload: bytes) -> None:
        with self._lock:
            channel = self._channels.get(task_id)
            if channel is None:
                return
            channel.payload = payload
            if channel.waiters:
                self._forget(task_id)
            for waiter in channel.waiters:
                waiter.found[task_id] = payload
                waiter.wake()

    def _expire(self, now: float) -> bool:
        """Drop channels that nobody came back for; return whether there are any left."""
        with self._lock:
            for task_id, left in list(self._lingering.items()):
                if now - left < LINGER:
                    break
                self._forget(task_id)
            return bool(self._channels)

    def _forget(self, task_id: str) -> None:
        self._channels.pop(task_id, None)
        self._lingering.pop(task_id, None)
        self._dropped.append(task_id)

    def _fail(self, problem: Unreachable, lost_at: float) -> None:
        """Tell those who have waited for the store for too long."""
        now = time.monotonic()
        with self._lock:
            for waiter in {waiter for channel in self._channels.values() for waiter in channel.waiters}:
                if now - max(waiter.since, lost_at) >= self.timeout:
                    waiter.failure = problem
                    waiter.wake()

    def _ended(self, bell: Bell) -> bool:
        """End the thread where nobody waits, or all are told that the store was closed."""
        with self._lock:
            if not self._stopping and any(channel.waiters for channel in self._channels.values()):
                return False
            closed = BackendUnreachable(f"the result store {self.location.safe_url()} was closed meanwhile")
            for channel in self._channels.values():
                for waiter in channel.waiters:
                    waiter.failure = closed
                    waiter.wake()
            if self._listening is not None:
                with suppress(OSError):
                    self._listening.close()
            self._listening = self._bell = None
            bell.close()
            self._renew_state()
            return True

    def _renew_state(self) -> None:
        self._thread = None
        self._channels = {}
        self._lingering = {}
        self._new = deque()
        self._dropped = []
        self._stopping = False
