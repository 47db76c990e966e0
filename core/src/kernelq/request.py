"""A request: a delivery that the worker has accepted, from its reception to its settlement."""

from __future__ import annotations

from typing import Any

import attrs

from kernelq.delivery import Delivery
from kernelq.job import Job


@attrs.define(eq=False)
class Request:
    """What the supervisor knows of one accepted task; one object per task, so it stays small."""

    job: Job
    delivery: Delivery
    received_at: float
    """Seconds of the monotonic clock."""
    expires: float | None = None
    """Seconds since the epoch."""
    acks_late: bool = True
    """False: the delivery is settled when the job is handed to a host."""
    started_at: float | None = None
    """Seconds since the epoch; None while reserved."""
    worker_pid: int | None = None
    acknowledged: bool = False
    cause: str = ""
    """Why it is being ended, where the supervisor ends it: revoked, hard time limit."""
    revoked: bool = False
    """Where it has not begun: it is not to, and ends as revoked when it comes back from where it waits."""

    @property
    def id(self) -> str:
        """The task id."""
        return self.job.task_id

    @property
    def task(self) -> str:
        """The task's name."""
        return self.job.task

    def info(self, hostname: str) -> dict[str, Any]:
        """Return what `inspect active` and `inspect reserved` show (celery/worker/request.py)."""
        headers = self.job.headers
        return {
            "id": self.id,
            "name": self.task,
            "args": headers.get("argsrepr"),
            "kwargs": headers.get("kwargsrepr"),
            "type": self.task,
            "hostname": hostname,
            "time_start": self.started_at,
            "acknowledged": self.acknowledged,
            "delivery_info": dict(self.job.delivery_info),
            "worker_pid": self.worker_pid,
        }
