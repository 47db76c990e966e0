"""What one kombu connection has in the event loop: taken away as a whole when the connection is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import wraps
from typing import Any

Callback = Callable[..., Any]


class Ticks:
    """The hub's ``on_tick`` set, as far as one connection has added to it."""

    def __init__(self, ticks: Any, guard: Callable[[Callback], Callback]) -> None:
        self._ticks, self._guard = ticks, guard
        self._added: dict[Callback, Callback] = {}

    def add(self, callback: Callback) -> None:
        """Call `callback` at each turn of the loop."""
        self._added[callback] = guarded = self._guard(callback)
        self._ticks.add(guarded)

    def discard(self, callback: Callback) -> None:
        """Call it no longer."""
        self._ticks.discard(self._added.pop(callback, None))

    remove = discard

    def clear(self) -> None:
        """Call none of them any longer."""
        for callback in list(self._added):
            self.discard(callback)


class Registration:
    """Passes everything on to the hub. kombu never takes its ticks and timers away: after a thousand lost connections
    each turn would serve a thousand of them.

    What is called back and meets one of `errors` goes through `lost`, which returns the exception to raise.
    """

    def __init__(self, hub: Any, errors: tuple[type[BaseException], ...], lost: Callable[[BaseException], Exception]):
        self._hub, self._errors, self._lost = hub, errors, lost
        self._timers: list[Any] = []
        self._readers: set[Any] = set()
        self._guarded: dict[Callback, Callback] = {}
        self._cleared = False
        self.on_tick = Ticks(hub.on_tick, self._guard)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hub, name)

    def add_reader(self, fd: Any, callback: Callback, *args: Any) -> None:
        """Call back whenever `fd` can be read. kombu does it again in each turn."""
        self._readers.add(_number(fd))
        self._hub.add_reader(fd, self._guard(callback), *args)

    def remove_reader(self, fd: Any) -> None:
        """Undo `add_reader`."""
        self._readers.discard(_number(fd))
        self._hub.remove_reader(fd)

    def remove(self, fd: Any) -> None:
        """Watch `fd` no longer."""
        self._readers.discard(_number(fd))
        self._hub.remove(fd)

    def call_repeatedly(self, seconds: float, callback: Callback, *args: Any) -> Any:
        """Call back every `seconds`."""
        timer = self._hub.call_repeatedly(seconds, self._guard(callback), *args)
        self._timers.append(timer)
        return timer

    def clear(self) -> None:
        """Take away everything that came through here; before the connection is closed, while its descriptors are."""
        self._cleared = True
        self.on_tick.clear()
        for timer in self._timers:
            timer.cancel()
        for fd in self._readers:
            with contextlib.suppress(KeyError, ValueError, OSError):  # a descriptor that is closed is gone anyway
                self._hub.remove(fd)
        self._timers, self._readers, self._guarded = [], set(), {}

    def _guard(self, callback: Callback) -> Callback:
        if callback in self._guarded:
            return self._guarded[callback]

        @wraps(callback)
        def guarded(*args: Any) -> Any:
            if self._cleared:
                return None
            try:
                return callback(*args)
            except self._errors as error:
                raise self._lost(error) from error

        self._guarded[callback] = guarded
        return guarded


def _number(fd: Any) -> Any:
    """Return a descriptor's number; of a socket that is closed, nothing that is watched."""
    return fd if isinstance(fd, int) else fd.fileno()
