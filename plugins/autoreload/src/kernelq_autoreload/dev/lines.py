"""The log of `kernelq dev`: a short line for each event, coloured where the terminal takes it."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from kernelq.cli.output import wants_color

ENVIRONMENT = "KERNELQ__DEV"
"""Set by `kernelq dev` for the worker's hosts, whose log looks the same."""

COLORS = {"DEBUG": "bright_black", "INFO": None, "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
ID = 8
"""Characters of a task's id that are shown: the last ones, since the first tell the time and are alike."""


def wanted() -> bool:
    """Tell whether this process, or the one that started it, is `kernelq dev`."""
    return bool(os.environ.get(ENVIRONMENT))


def setup(loglevel: int) -> bool:
    """Log to stderr in these lines; return True."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(DevFormatter(color=wants_color(sys.stderr)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(loglevel)
    logging.getLogger("kernelq").setLevel(loglevel)
    logging.getLogger("stevedore").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    return True


class DevFormatter(logging.Formatter):
    """Time of day, mark, message. What the worker logs of a task's start and end is shortened to one line each."""

    def __init__(self, *, color: bool) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines."""
        from kernelq.context import current

        line, color = _task_line(record) or (None, COLORS.get(record.levelname))
        if line is None:
            request = current()
            where = f"{request.task} {str(request.id)[-ID:]}: " if request is not None else ""
            level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
            line = f"  {level}{where}{record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{self._colored(clock, 'bright_black')} {self._colored(line, color)}"

    def _colored(self, text: str, color: str | None) -> str:
        return click.style(text, fg=color) if self._color and color else text


def _task_line(record: logging.LogRecord) -> tuple[str, str | None] | None:
    make = LINES.get(str(record.msg))
    if make is None or not isinstance(record.args, tuple):
        return None
    try:
        return make(*record.args)
    except (TypeError, ValueError):  # the worker says it in other words now: its own line is shown
        return None


def _started(name: Any, task_id: Any) -> tuple[str, str | None]:
    return f"▶ {name} {str(task_id)[-ID:]}", "cyan"


def _succeeded(name: Any, task_id: Any, seconds: float, detail: Any) -> tuple[str, str | None]:
    return f"✔ {name} {str(task_id)[-ID:]} in {duration(seconds)}: {detail}", "green"


def _raised(name: Any, task_id: Any, detail: Any, traceback: Any) -> tuple[str, str | None]:
    return f"✘ {name} {str(task_id)[-ID:]} raised {detail}\n{traceback}".rstrip(), "red"


def _ended(name: Any, task_id: Any, state: Any, detail: Any) -> tuple[str, str | None]:
    return f"↻ {name} {str(task_id)[-ID:]} {state}: {detail}", "yellow"


LINES: dict[str, Callable[..., tuple[str, str | None]]] = {
    "Task %s[%s] received": _started,
    "Task %s[%s] succeeded in %.6fs: %s": _succeeded,
    "Task %s[%s] raised: %s\n%s": _raised,
    "Task %s[%s] %s: %s": _ended,
}
"""The worker's own messages, which are Celery's, by their format."""


def duration(seconds: float) -> str:
    """Return a run time as a person reads it: ``180 µs``, ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {seconds % 60:.0f} s"
