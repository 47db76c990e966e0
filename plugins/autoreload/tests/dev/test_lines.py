"""The log of `kernelq dev`."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from kernelq_autoreload.dev.lines import DevFormatter, duration

ID = "0b5c1f2e-1111-2222-3333-444455556666"


def line(message: str, *args: Any, level: int = logging.INFO, color: bool = False) -> str:
    """Return what is written for one record, without the time of day."""
    written = DevFormatter(color=color).format(logging.LogRecord("kernelq", level, "f.py", 1, message, args, None))
    return re.sub(r"\d\d:\d\d:\d\d", "", written)


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("Task %s[%s] received", ("shop.pack", ID), "▶ shop.pack 55556666"),
        (
            "Task %s[%s] succeeded in %.6fs: %s",
            ("shop.pack", ID, 0.0123, "'packed'"),
            "✔ shop.pack 55556666 in 12.3 ms: 'packed'",
        ),
        (
            "Task %s[%s] raised: %s\n%s",
            ("shop.pack", ID, "KeyError('x')", "Traceback"),
            "✘ shop.pack 55556666 raised KeyError('x')\nTraceback",
        ),
        ("Task %s[%s] %s: %s", ("shop.pack", ID, "retry", "in 3 s"), "↻ shop.pack 55556666 retry: in 3 s"),
    ],
)
def test_a_tasks_start_and_end_are_a_line_each(message: str, args: tuple[Any, ...], expected: str) -> None:
    assert f" {expected}" == line(message, *args)


def test_the_workers_own_words_are_those_that_are_shortened() -> None:
    """Where they change, the lines here are to change with them."""
    from pathlib import Path

    from kernelq_autoreload.dev.lines import LINES

    folder = Path(__file__).parents[3] / "worker/src/kernelq_worker"
    said = "".join(path.read_text() for path in folder.rglob("*.py"))

    assert [] == [message for message in LINES if message.replace("\n", "\\n") not in said]


def test_other_lines_are_shown_as_they_are() -> None:
    assert "   worker ready" == line("worker %s", "ready")
    assert "   warning: careful" == line("careful", level=logging.WARNING)


def test_colours_are_for_terminals() -> None:
    assert "\x1b[36m" in line("Task %s[%s] received", "shop.pack", ID, color=True)
    assert "\x1b" not in line("Task %s[%s] received", "shop.pack", ID)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.00018, "180 µs"), (0.0123, "12.3 ms"), (3.4, "3.4 s"), (125, "2 min 5 s")]
)
def test_run_times_are_for_people(seconds: float, shown: str) -> None:
    assert shown == duration(seconds)
