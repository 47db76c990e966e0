"""An event loop that a test turns by hand, on the same kombu hub as the worker's."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from kombu.asynchronous.hub import Hub


class SteppedLoop:
    """A `kernelq.handles.Loop`; what a callback raises comes out of `turn` and `run_until`."""

    def __init__(self) -> None:
        hub: Any = Hub()
        self._hub = hub
        self._hub.propagate_errors = (Exception,)
        self._pair = socket.socketpair()  # with no reader at all kombu's hub sleeps instead of polling
        self._hub.add_reader(self._pair[0].fileno(), _nothing)

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever `fd` can be read."""
        self._hub.add_reader(fd, callback, *args)

    def remove_reader(self, fd: int) -> None:
        """Undo `add_reader`."""
        self._hub.remove_reader(fd)

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever `fd` can be written."""
        self._hub.add_writer(fd, callback, *args)

    def remove_writer(self, fd: int) -> None:
        """Undo `add_writer`."""
        self._hub.remove_writer(fd)

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call back at the next turn; from any thread."""
        self._hub.call_soon(callback, *args)

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back once after `seconds`."""
        return self._hub.call_later(seconds, callback, *args)

    def call_repeatedly(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back every `seconds`."""
        return self._hub.call_repeatedly(seconds, callback, *args)

    def turn(self, longest: float = 0.05) -> None:
        """Run one turn: what is due, and what becomes readable within `longest` seconds."""
        alarm = self._hub.call_later(longest, _nothing)
        try:
            self._hub.run_once()  # it makes a new loop where the last one ended by raising
        finally:
            alarm.cancel()

    def run_until(self, condition: Callable[[], Any], timeout: float = 30.0) -> bool:
        """Turn until `condition()` is true, at most `timeout` seconds; return whether it became true."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= deadline:
                return False
            self.turn()
        return True

    def run_for(self, seconds: float) -> None:
        """Turn for `seconds`: long enough for what must not happen to happen."""
        self.run_until(lambda: False, seconds)

    def close(self) -> None:
        """Free the descriptors."""
        self._hub.close()
        for end in self._pair:
            end.close()


class HubLoop(SteppedLoop):
    """A stepped loop that shows its `hub`, as the worker's does: transports that know kombu's hub use it."""

    @property
    def hub(self) -> Any:
        """The kombu hub."""
        return self._hub


def _nothing(*args: Any) -> None:
    pass
