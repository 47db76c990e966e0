"""Cameras: take a picture of the state of a cluster every now and then (celery/events/snapshot.py)."""

from __future__ import annotations

import logging
import threading
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kombu.utils.limits import TokenBucket

from kernelq.kernel.errors import ConfigurationError
from kernelq.rates import parse

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.events.state import State

log = logging.getLogger("kernelq.events")


class Polaroid:
    """Calls `on_shutter` with the state every `freq` seconds, and `on_cleanup` every `cleanup_freq`; subclass it.

    No event is merged while `on_shutter` runs; with `clear_after` the state is cleared after it. `maxrate` is how many
    pictures are taken at most: "10/m", or a number per second. It works in a thread of its own, from `install` to
    `cancel`, or within a ``with``. What `on_shutter` raises is logged, and the next picture is taken all the same.
    """

    clear_after = False

    def __init__(
        self,
        state: State,
        *,
        app: KernelQ,
        freq: float = 1.0,
        maxrate: str | float | None = None,
        cleanup_freq: float = 3600.0,
        **_: Any,
    ) -> None:
        self.app = app
        self.state = state
        self.freq = freq
        self.cleanup_freq = cleanup_freq
        rate = parse(maxrate)
        self.maxrate = TokenBucket(rate) if rate else None
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def on_shutter(self, state: State) -> None:
        """Take the picture."""

    def on_cleanup(self) -> None:
        """Clean up what pictures have left."""

    def shutter(self) -> None:
        """Take a picture, unless there were too many."""
        if self.maxrate is None or self.maxrate.can_consume():
            self.on_shutter(self.state)

    def capture(self) -> None:
        """Take a picture while the state stands still."""
        self.state.freeze_while(self.shutter, clear_after=self.clear_after)

    def cleanup(self) -> None:
        """Clean up."""
        self.on_cleanup()

    def install(self) -> None:
        """Begin."""
        self._end.clear()
        for seconds, action in ((self.freq, self.capture), (self.cleanup_freq, self.cleanup)):
            thread = threading.Thread(target=self._repeat, args=(seconds, action), name="kernelq-camera", daemon=True)
            self._threads.append(thread)
            thread.start()

    def cancel(self) -> None:
        """End, with a last picture of what came since the one before. May be called twice."""
        if self._threads:
            self._end.set()
            for thread in self._threads:
                thread.join()
            self._threads.clear()
            self._try(self.capture)

    def _repeat(self, seconds: float, action: Any) -> None:
        while not self._end.wait(seconds):
            self._try(action)

    def _try(self, action: Any) -> None:
        try:
            action()
        except Exception:
            log.exception("the camera %s failed", type(self).__name__)

    def __enter__(self) -> Polaroid:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()


def camera(path: str, state: State, app: KernelQ, freq: float = 1.0, maxrate: str | None = None) -> Any:
    """Return the camera of a class by its path: ``package.module.Class``, or with a colon before the class.

    The class takes what `Polaroid` takes, and has `install` and `cancel`; one written for Celery does too. Raises
    `ConfigurationError`.
    """
    module, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    if not module or not name:
        raise ConfigurationError(f"{path!r} names no camera: write package.module.Class")
    try:
        made = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"there is no camera {path!r}: {error}") from error
    return made(state, app=app, freq=freq, maxrate=maxrate)
