"""The reports of hosts, and what follows from each for the books."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernelq_worker.hosts import wire
from kernelq_worker.hosts.wire import Report

if TYPE_CHECKING:
    from kernelq_worker.hosts.backlog import Backlog
    from kernelq_worker.hosts.desk import Desk
    from kernelq_worker.hosts.fleet import Fleet
    from kernelq_worker.hosts.host import Host
    from kernelq_worker.hosts.pace import Pace
    from kernelq_worker.hosts.wear import Wear

logger = logging.getLogger(__name__)


class Reports:
    """Takes the frames of hosts."""

    def __init__(self, fleet: Fleet, desk: Desk, backlog: Backlog, pace: Pace, wear: Wear) -> None:
        self._fleet = fleet
        self._desk = desk
        self._backlog = backlog
        self._pace = pace
        self._wear = wear

    def take(self, host: Host, body: memoryview) -> None:
        """Take one frame. Raises `wire.FrameError`."""
        kind, started, ended, ids, text = wire.read_report(body)
        host.heard_at = now = time.monotonic()
        if kind is Report.WORK:
            self._work(host, started, ended, now)
        elif kind is Report.RETURNED:
            host.answered()
            self.give_back(host, ids)
        elif kind is Report.READY:
            self._fleet.came(host)
        elif kind is Report.FAILED:
            self._fleet.cannot_start(host, text)
        self._desk.call()

    def _work(self, host: Host, started: Sequence[tuple[int, float]], ended: Sequence[wire.Ended], now: float) -> None:
        work, pid, desk, ran = host.work, host.pid, self._desk, self._pace.ran
        for job_id, _ in started:
            if job_id in work and work[job_id].started_at is None:
                work[job_id].started_at = now
                host.running += 1
                desk.started.append((job_id, pid))
        for job_id, seconds, outcome in ended:
            done = work.pop(job_id, None)
            if done is None:
                logger.warning("host %d reports the end of a job %d that it does not have", pid, job_id)
                continue
            if done.started_at is not None:
                host.running -= 1
            ran(seconds)
            desk.finished.append((job_id, outcome))
        if ended:
            self._ran(host)

    def _ran(self, host: Host) -> None:
        if self._fleet.failures:
            self._fleet.proved(host)
        if host.alone and not host.work:
            self._backlog.alone_ended(host)
        self._wear.ran(host)
        if host.retiring:
            self._fleet.left(host)

    def give_back(self, host: Host, ids: Sequence[int]) -> None:
        """Take back jobs that `host` has not begun: others run them, but for those that were to end or be withdrawn."""
        jobs = host.take_back(ids)
        for job in [job for job in jobs if job.id in host.dooms]:
            self._desk.lose(job.id, host.dooms[job.id])
            host.spare(job.id)
            jobs.remove(job)
        withdrawn, host.withdrawn = host.withdrawn, frozenset()
        if withdrawn:
            self._desk.give_back(job for job in jobs if job.id in withdrawn)
            jobs = [job for job in jobs if job.id not in withdrawn]
        self._backlog.put_back(jobs)
        if host.alone and not host.work:
            self._backlog.alone_ended(host)
        self._wear.returned(host)
        if host.retiring:
            self._fleet.left(host)
