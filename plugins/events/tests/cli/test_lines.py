"""Events as lines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kernelq_events.cli.lines import NAMES, Lines

AT = datetime(2026, 1, 2, 3, 4, 5, 678000).timestamp()


def event(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, "hostname": "w1@h", "timestamp": AT, "utcoffset": 0, "local_received": AT, **fields}


def test_a_task_is_called_by_its_name_once_that_is_known():
    lines = Lines()

    assert [
        "w1@h [2026-01-02 03:04:05.678] task started: (t1)",
        "w1@h [2026-01-02 03:04:05.678] task received: add(t1) args=(1,) retries=0",
        "w1@h [2026-01-02 03:04:05.678] task succeeded: add(t1) result=3",
    ] == [
        lines.line(event("task-started", uuid="t1")),
        lines.line(event("task-received", uuid="t1", name="add", args="(1,)", retries=0, eta=None)),
        lines.line(event("task-succeeded", uuid="t1", result="3")),
    ]


def test_workers_and_events_of_ones_own():
    lines = Lines()

    assert "w1@h [2026-01-02 03:04:05.678] heartbeat: active=1" == lines.line(event("worker-heartbeat", active=1))
    assert "w1@h [2026-01-02 03:04:05.678] order placed" == lines.line(event("order-placed"))
    assert "- [-] order placed" == lines.line({"type": "order-placed", "timestamp": "soon"})


def test_what_a_sender_wrote_steers_no_terminal():
    assert "\x1b" not in Lines().line(event("task-failed", uuid="t1", exception="\x1b[2J\nboom"))


def test_few_names_are_remembered():
    lines = Lines()
    for number in range(NAMES + 1):
        lines.line(event("task-received", uuid=f"t{number}", name="add"))

    assert lines.line(event("task-started", uuid="t0")).endswith(": (t0)")
    assert lines.line(event("task-started", uuid=f"t{NAMES}")).endswith(f": add(t{NAMES})")
