"""Watching until told to stop: printing events, or taking pictures."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kernelq.cli.output import dumps
from kernelq.events.snapshot import camera
from kernelq_events.cli.lines import Lines

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.cli.output import Output
    from kernelq.events.receiver import Receiver


def printed(app: KernelQ, out: Output, limit: int | None) -> None:
    """Print each event as it comes, at most `limit`; as a line for people, or as JSON where that is asked for."""
    receiver = app.events.Receiver()
    line = dumps if out.format in ("json", "jsonl") else Lines().line
    left = limit

    def take(event: dict[str, Any]) -> None:
        nonlocal left
        if left == 0:
            return
        out.write(line(event))
        if left is not None:
            left -= 1
            if left == 0:
                receiver.stop()

    receiver.handlers["*"] = take
    out.say("watching for events; Ctrl-C ends it")
    with _until_told(receiver):
        receiver.capture()


def film(app: KernelQ, path: str, freq: float, maxrate: str | None, started: Callable[[], None], out: Output) -> None:
    """Have the camera of the class `path` take pictures."""
    state = app.events.State()
    taken = camera(path, state, app, freq, maxrate)
    receiver = app.events.Receiver(handlers={"*": state.event})
    out.say(f"taking pictures with {path}, every {freq:g} s; Ctrl-C ends it")
    receiver.on_ready = started
    taken.install()
    try:
        with _until_told(receiver):
            receiver.capture()
    finally:
        taken.cancel()


@contextlib.contextmanager
def _until_told(receiver: Receiver) -> Iterator[None]:
    """Have INT and TERM end the capture, meanwhile."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: receiver.stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
