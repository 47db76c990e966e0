"""The scorecard: ``python -m tests.chaos [--quick] [--only WORD]`` hurts KernelQ and Celery alike, and counts.

The same task, the same ledger, the same load, the same faults. Celery has the settings that lose least: it acknowledges
late, and takes back what a dead child had. ``tests/support`` must be on the path, as `nox -s chaos` sees to.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tests.chaos import tasks_of
from tests.chaos.brokers import RabbitMQ, Redis, SQLite
from tests.chaos.run import SLOTS, Fault, Row, Run, Subject, run

KERNELQ = Subject(
    "KernelQ", tasks_of.KERNELQ, {"result_backend": None},
    ("kernelq", "-A", "tasks", "worker", "-P", "prefork", "-c", str(SLOTS), "-l", "INFO"),
)  # fmt: skip
SAFEST = {"task_acks_late": True, "task_reject_on_worker_lost": True, "broker_connection_retry_on_startup": True}
WORKER = ("celery", "-A", "tasks", "worker", "-P", "prefork", "-c", str(SLOTS), "-l", "INFO")
CELERY = Subject("Celery", tasks_of.CELERY, SAFEST, WORKER, Redis.unacknowledged)
SHORT = {**SAFEST, "broker_transport_options": {"visibility_timeout": 10}}
CELERY_SHORT = Subject("Celery, visibility timeout 10 s", tasks_of.CELERY, SHORT, WORKER, Redis.unacknowledged)

FAULTS = [
    Fault("SIGKILL of the worker", Run.kill_worker, 3),
    Fault("SIGKILL of a child", Run.kill_child, 5),
    Fault("silent network", Run.silence, 1),
    Fault("broker restart", Run.restart_broker, 2),
]


def cases() -> Iterator[tuple[Subject, type[Redis] | type[RabbitMQ] | type[SQLite], Fault]]:
    """Yield what is run, in the order of the table."""
    for fault in FAULTS:
        for kind in (Redis, RabbitMQ, SQLite):
            connects = kind is not SQLite or fault.act in (Run.kill_worker, Run.kill_child)
            if connects and (kind.restarts or fault.act is not Run.restart_broker):
                yield KERNELQ, kind, fault
        yield CELERY, Redis, fault
        if fault.act is Run.kill_worker:
            yield CELERY_SHORT, Redis, fault


COLUMNS = "subject | broker | fault | accepted | lost | waiting | doubled | unexplained | stuck, s | exit codes"


def line(row: Row) -> str:
    """Return a row of the table."""
    tally = row.tally
    accepted = f"{tally.accepted} of {tally.attempted}"
    exits = " ".join(str(code) for code in row.exits)
    figures = (accepted, row.lost, row.waiting, len(tally.doubled), len(tally.unexplained), f"{row.stuck:.1f}", exits)
    return f"| {row.subject} | {row.broker} | {row.fault} | " + " | ".join(str(figure) for figure in figures) + " |"


def main() -> None:
    """Run all, and print each line as it comes."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Hurt KernelQ and Celery, and count.")
    parser.add_argument("--quick", action="store_true", help="a third of the tasks")
    parser.add_argument("--only", default="", help="only lines with this word in subject, broker or fault")
    options = parser.parse_args()
    print(f"| {COLUMNS} |\n|{'---|' * len(COLUMNS.split('|'))}", flush=True)
    for subject, kind, fault in cases():
        if options.only.lower() in f"{subject.name} {kind.name} {fault.name}".lower():
            print(line(run(subject, kind, fault, 100 if options.quick else 300)), flush=True)


if __name__ == "__main__":
    main()
