"""Terminations: jobs that are ended by command, wherever they are."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from kernelq_worker.hosts.host import Host, signal_name
from kernelq_worker.hosts.loss import Loss, LossKind

if TYPE_CHECKING:
    from kernelq.handles import Loop
    from kernelq_worker.hosts.backlog import Backlog
    from kernelq_worker.hosts.desk import Desk
    from kernelq_worker.hosts.fleet import Fleet

ESCALATE = 2.0
"""Seconds after which a job that outlived its termination has its host killed."""
SURVIVED = frozenset({signal.SIGINT, signal.SIGTERM})
"""Signals that hosts pass over, since a terminal or a service manager sends them to the whole process group."""


class Terminations:
    """Ends jobs. One that waits is dropped, one that runs has its host ended."""

    def __init__(self, loop: Loop, fleet: Fleet, backlog: Backlog, desk: Desk) -> None:
        self._loop = loop
        self._fleet = fleet
        self._backlog = backlog
        self._desk = desk

    def end(self, job_id: int, number: int) -> bool:
        """End a job by signal `number`; return whether it was there.

        A host that has other jobs too, and one that would pass over the signal, is killed instead.
        """
        loss = Loss(LossKind.TERMINATED, f"terminated by {signal_name(number)}", signum=number)
        if self._backlog.remove(job_id):
            self._desk.lose(job_id, loss)
            return True
        host = self._fleet.host_of(job_id)
        if host is None:
            return False
        if not host.began(host.work[job_id]):
            host.dooms[job_id] = loss
            host.recall()
        elif len(host.work) == 1 and number not in SURVIVED:
            host.kill_for(job_id, loss, number)
        else:
            host.kill_for(job_id, loss)
        self._loop.call_later(ESCALATE, self._escalate, host, job_id, loss)
        return True

    def _escalate(self, host: Host, job_id: int, loss: Loss) -> None:
        if job_id in host.work:
            host.kill_for(job_id, loss)
        else:
            host.spare(job_id)
