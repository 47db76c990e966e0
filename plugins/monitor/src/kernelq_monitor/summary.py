"""The line above the tables: how many, how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from kernelq_monitor.watch import Watch

DONE = ("task-succeeded", "task-failed")
"""Events that end a run."""


def summary(watch: Watch) -> Text:
    """Return the line: workers, tasks, and events a second."""
    state, rate = watch.state, watch.throughput.rate
    workers = list(state.workers.values())
    alive = sum(worker.alive for worker in workers)
    line = Text.assemble(
        (f"{alive}", "bold green" if alive else "bold red"), f"/{len(workers)} workers   ",
        (f"{state.task_count}", "bold"), " tasks received   ",
        (f"{rate('task-received'):.1f}", "bold cyan"), "/s received   ",
        (f"{rate('task-succeeded'):.1f}", "bold green"), "/s succeeded   ",
        (f"{rate('task-failed'):.1f}", "bold red"), "/s failed   ",
        (f"{rate():.1f}", "bold"), " events/s",
    )  # fmt: skip
    if not watch.connected:
        line.append("   the broker is away", "bold red")
    elif alive and not any(name.startswith("task-") for name in watch.counts):
        line.append("   no task events yet: e asks workers for them", "yellow")
    return line
