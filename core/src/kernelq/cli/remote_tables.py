"""Replies that are lists of records, as one table over all workers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

COLUMNS: dict[str, tuple[str, ...]] = {
    "active": ("worker", "id", "name", "args", "kwargs", "seconds", "worker_pid"),
    "reserved": ("worker", "id", "name", "args", "kwargs"),
    "scheduled": ("worker", "eta", "priority", "id", "name", "args", "kwargs"),
    "active_queues": ("worker", "name", "exchange", "routing_key", "durable"),
}
"""The commands that are shown so, with their columns."""


def rows(command: str, replies: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return a row for each record; None where the command, or one of the replies, is of another kind, or all empty."""
    if command not in COLUMNS or not any(replies.values()):
        return None
    found = []
    for worker, records in replies.items():
        if not isinstance(records, list) or not all(isinstance(one, Mapping) for one in records):
            return None
        found += [_row(worker, record) for record in records]
    return found


def _row(worker: str, record: Mapping[str, Any]) -> dict[str, Any]:
    request = record.get("request")
    row = {**record, **(request if isinstance(request, Mapping) else {}), "worker": worker}
    exchange = row.get("exchange")
    if isinstance(exchange, Mapping):
        row["exchange"] = exchange.get("name") or "(default)"
    started = row.get("time_start")
    if isinstance(started, int | float):
        row["seconds"] = round(max(time.time() - started, 0.0), 1)
    return row
