"""What a part of the program leaves behind: threads, descriptors, timers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from kernelq_testkit.loop import SteppedLoop
from kernelq_testkit.waiting import eventually


def threads() -> set[str]:
    """Return the live threads."""
    return {f"{thread.name} ({thread.ident})" for thread in threading.enumerate()}


def descriptors() -> dict[int, str]:
    """Return the open descriptors with what they are of."""
    found = {}
    for name in os.listdir("/dev/fd"):
        try:
            found[int(name)] = os.readlink(f"/dev/fd/{name}")
        except OSError:  # the descriptor of the listing itself
            continue
    return found


class CountingLoop(SteppedLoop):
    """A loop that knows which of its timers and readers are still there."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[Any] = []
        self.readers: set[int] = set()

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back once, and remember the timer."""
        self.timers.append(super().call_later(seconds, callback, *args))
        return self.timers[-1]

    def call_repeatedly(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call back repeatedly, and remember the timer."""
        self.timers.append(super().call_repeatedly(seconds, callback, *args))
        return self.timers[-1]

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back for `fd`, and remember it."""
        self.readers.add(fd)
        super().add_reader(fd, callback, *args)

    def remove_reader(self, fd: int) -> None:
        """Undo `add_reader`."""
        self.readers.discard(fd)
        super().remove_reader(fd)

    def live(self) -> list[str]:
        """Return the timers and readers that nobody cancelled."""
        timers = [repr(timer) for timer in self.timers if not (timer.canceled or timer.cancelled)]
        return timers + [f"reader of {fd}" for fd in sorted(self.readers)]


class Leftovers:
    """Remembers what there is now; `check` fails if more is there later. What ends by itself gets ten seconds."""

    def __init__(self, loop: CountingLoop | None = None) -> None:
        self._loop = loop
        self._threads = threads()
        self._descriptors = descriptors()

    def check(self) -> None:
        """Raise AssertionError that names what was left behind."""
        eventually(lambda: not self._found(), 10.0, wanted=f"an end without leftovers ({self._found()})")

    def _found(self) -> list[str]:
        found = [f"thread {name}" for name in sorted(threads() - self._threads)]
        found += [f"descriptor {fd}: {of}" for fd, of in descriptors().items() if fd not in self._descriptors]
        return found + (self._loop.live() if self._loop is not None else [])
