"""What the tables show: workers and tasks as rows of text, filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import attrs
from rich.text import Text

from kernelq import states
from kernelq.cli.output import clean
from kernelq.events.records import Task, Worker

COLORS = {
    states.PENDING: "dim",
    states.RECEIVED: "cyan",
    states.STARTED: "yellow",
    states.SUCCESS: "green",
    states.FAILURE: "bold red",
    states.RETRY: "magenta",
    states.REVOKED: "bright_black",
    states.REJECTED: "bright_black",
}
MOST = 500
"""Rows of a table: no more are read by anybody, and each costs time."""


@attrs.frozen
class Column:
    """A column: its title, the text of a cell, and what it is sorted by."""

    title: str
    text: Callable[[Any], str]
    key: Callable[[Any], Any]
    right: bool = False
    style: Callable[[Any], str] = lambda record: ""

    def cell(self, record: Any) -> Text:
        """Return the cell of a worker or a task; nothing in it is taken for a control sequence or for markup."""
        return Text(clean(self.text(record)), style=self.style(record), justify="right" if self.right else "left")


def clock(at: float | None) -> str:
    """Return a moment as the time of day here, to the millisecond."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3] if at else "-"


def seconds(taken: float | None) -> str:
    """Return a duration in seconds."""
    return "-" if taken is None else f"{taken:.3f}"


def _load(worker: Worker) -> str:
    return " ".join(f"{one:.2f}" for one in worker.loadavg or ()) or "-"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _alive(worker: Worker) -> str:
    return "green" if worker.alive else "red"


def _of(task: Task) -> str:
    return task.worker.hostname if task.worker is not None else "-"


WORKERS = (
    Column("worker", lambda worker: worker.hostname, lambda worker: worker.hostname),
    Column("state", lambda worker: worker.status_string, lambda worker: not worker.alive, style=_alive),
    Column("active", lambda worker: _number(worker.active), lambda worker: worker.active or 0, right=True),
    Column("processed", lambda worker: _number(worker.processed), lambda worker: worker.processed or 0, right=True),
    Column("load", _load, lambda worker: tuple(worker.loadavg or ()), right=True),
    Column(
        "seen", lambda worker: clock(max(worker.heartbeats, default=None)), lambda worker: worker.heartbeats, right=True
    ),
    Column(
        "software",
        lambda worker: f"{worker.sw_ident or '-'} {worker.sw_ver or ''}",
        lambda worker: worker.sw_ident or "",
    ),
)
TASKS = (
    Column("time", lambda task: clock(task.timestamp), lambda task: task.timestamp or 0.0),
    Column("uuid", lambda task: task.uuid, lambda task: task.uuid),
    Column("name", lambda task: task.name or "-", lambda task: task.name or ""),
    Column("worker", _of, _of),
    Column(
        "state", lambda task: task.state, lambda task: task.state, style=lambda task: COLORS.get(task.state, "blue")
    ),
    Column("runtime", lambda task: seconds(task.runtime), lambda task: task.runtime or 0.0, right=True),
)


def matches(task: Task, words: Sequence[str]) -> bool:
    """Tell whether a task has each of `words`, in lower case, in its id, name, worker, state or arguments."""
    text = " ".join((task.uuid, task.name or "", _of(task), task.state, task.args or "", task.kwargs or "")).lower()
    return all(word in text for word in words)


def ordered(records: Iterable[Any], column: Column, reverse: bool) -> list[Any]:
    """Return records sorted by a column."""
    return sorted(records, key=column.key, reverse=reverse)
