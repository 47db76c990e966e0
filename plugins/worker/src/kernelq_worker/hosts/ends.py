"""The ends of hosts: by themselves, by a signal, or because nothing they say can be understood."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

from kernelq_worker.hosts import wire
from kernelq_worker.hosts.host import Host, death
from kernelq_worker.hosts.loss import Loss, LossKind

if TYPE_CHECKING:
    from kernelq.handles import Loop
    from kernelq_worker.hosts.backlog import Backlog
    from kernelq_worker.hosts.desk import Desk
    from kernelq_worker.hosts.fleet import Fleet
    from kernelq_worker.hosts.reports import Reports

logger = logging.getLogger(__name__)

POLL = 0.02
"""Seconds between looks at a host that is about to end, where the system does not tell of it."""
KILLED = 5.0
"""Seconds that the system may take to end hosts that were killed."""


class Ends:
    """Reads what hosts send, and settles what they leave behind: what they ran is lost, the rest is run by others."""

    def __init__(self, loop: Loop, fleet: Fleet, desk: Desk, backlog: Backlog, reports: Reports) -> None:
        self._loop = loop
        self._fleet = fleet
        self._desk = desk
        self._backlog = backlog
        self._reports = reports

    def on_bytes(self, host: Host) -> None:
        """Take what a host has sent; end one that has hung up, or that sends what is no report."""
        try:
            bodies, ended = host.read()
            for body in bodies:
                self._reports.take(host, body)
        except wire.FrameError as error:
            logger.error("host %d sent what is no report, and is replaced: %.200s", host.pid, error)
            host.doom = Loss(LossKind.CRASH, f"its host sent a malformed frame: {str(error)[:200]}")
            self._end(host, garbled=True)
            return
        if ended:
            self._end(host)

    def _end(self, host: Host, *, garbled: bool = False) -> None:
        host.deaf(garbled=garbled)
        if garbled or not host.retiring:
            host.kill()
        if host.pidfd is None:
            self._poll(host)

    def _poll(self, host: Host) -> None:
        self.on_end(host)
        if host in self._fleet.hosts:
            self._loop.call_later(POLL, self._poll, host)

    def on_end(self, host: Host) -> None:
        """Settle what a host leaves behind, if it has ended."""
        if host in self._fleet.hosts and (code := host.reap()) is not None:
            self._bury(host, code)

    def kill_all(self, doom: Loss) -> None:
        """End every host now, and settle what it leaves behind."""
        hosts, deadline = list(self._fleet.hosts), time.monotonic() + KILLED
        for host in hosts:
            host.doom = host.doom or doom
            host.kill()
        for host in hosts:
            code = host.wait(deadline)
            if code is None:
                logger.error("host %d does not end although it was killed; the system has it wait", host.pid)
            self._bury(host, -signal.SIGKILL if code is None else code)

    def _bury(self, host: Host, code: int) -> None:
        try:
            for body in host.rest():
                self._reports.take(host, body)
        except wire.FrameError as error:
            logger.error("host %d left what is no report: %.200s", host.pid, error)
        began = {job_id: work for job_id, work in host.work.items() if job_id in host.dooms or host.began(work)}
        self._reports.give_back(host, [job_id for job_id in host.work if job_id not in began])
        host.close()
        self._backlog.forget(host)
        for job_id, work in began.items():
            usual = Loss(
                LossKind.CRASH, f"its host {host.pid} ended: {death(code)}", work.started_at is not None,
                -code if code < 0 else None,
            )  # fmt: skip
            self._desk.lose(job_id, host.dooms.get(job_id) or host.doom or usual)
        self._fleet.ended(host, code)
        self._desk.call()
