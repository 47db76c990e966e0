"""The worker's hub as kombu's transports see it, with their errors said in KernelQ's words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from kernelq.kernel.errors import BrokerLost

if TYPE_CHECKING:
    from kernelq_kombu.connector import Connector


class Ticks:
    """The hub's ``on_tick`` set, which remembers what was added through it."""

    def __init__(self, hub: Any, guard: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._ticks = hub.on_tick
        self._guard = guard
        self._added: list[Any] = []

    def add(self, callback: Callable[..., Any]) -> None:
        """Call `callback` at each turn of the loop."""
        guarded = self._guard(callback)
        self._added.append(guarded)
        self._ticks.add(guarded)

    def clear(self) -> None:
        """Take away what was added here."""
        for callback in self._added:
            self._ticks.discard(callback)
        self._added.clear()


class GuardedHub:
    """Passes everything on to the hub; what is called back from it raises BrokerLost for a lost connection."""

    def __init__(self, hub: Any, connector: Connector, on_loss: Callable[[], None]) -> None:
        self._hub = hub
        self._connector = connector
        self._on_loss = on_loss
        self._cleared = False
        self._timers: list[Any] = []
        self._readers: set[Any] = set()
        self.on_tick = Ticks(hub, self._guard)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hub, name)

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever `fd` can be read."""
        self._readers.add(fd)
        self._hub.add_reader(fd, self._guard(callback), *args)

    def remove_reader(self, fd: Any) -> None:
        """Undo `add_reader`."""
        self._readers.discard(fd)
        self._hub.remove_reader(fd)

    def call_repeatedly(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back every `seconds`."""
        timer = self._hub.call_repeatedly(seconds, self._guard(callback), *args)
        self._timers.append(timer)
        return timer

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back at the next turn, unless everything has been cleared by then."""
        return self._hub.call_soon(self._guard(callback), *args)

    def clear(self) -> None:
        """Take everything away from the hub that came through here."""
        self._cleared = True
        self.on_tick.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for fd in self._readers:
            with contextlib.suppress(KeyError, ValueError, OSError):  # a descriptor that is closed is gone anyway
                self._hub.remove_reader(fd)
        self._readers.clear()

    def _guard(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(callback)
        def guarded(*args: Any) -> Any:
            if self._cleared:
                return None
            try:
                with self._connector.holding():
                    return callback(*args)
            except BrokerLost:
                self._on_loss()
                raise

        return guarded
