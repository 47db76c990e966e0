"""The traceback of a task's exception, as text, without KernelQ's own frames."""

from __future__ import annotations

import traceback
from asyncio import base_events, runners
from types import TracebackType

from kernelq.texts import sendable

LIMIT = 256 * 1024
"""Characters of a traceback; the end of a longer one is kept."""

_own: set[str] = {base_events.__file__, runners.__file__}


def own_frames(filename: str) -> None:
    """Drop the frames of this file from the head of tracebacks."""
    _own.add(filename)


class ErrorInfo(str):
    """The text of a traceback, with the exception at hand: what hooks and `on_failure` get as `einfo`."""

    type: type[BaseException]
    exception: BaseException
    tb: TracebackType | None

    @property
    def traceback(self) -> str:
        """The text itself."""
        return str(self)


def error_info(error: BaseException) -> ErrorInfo:
    """Return the traceback of `error` from the task's own first frame on. Never raises for what `error` is."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename in _own:
        tb = tb.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, tb))
    except Exception as broken:  # noqa: BLE001 - formatting calls the exception's own methods
        frames = "".join(traceback.format_tb(tb))
        what = f"{type(error).__name__} (not shown: {type(broken).__name__})"
        text = f"Traceback (most recent call last):\n{frames}{what}\n"
    info = ErrorInfo(sendable(text[-LIMIT:]))
    info.type, info.exception, info.tb = type(error), error, tb
    return info
