"""What runs inside a host of the gevent pool."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from contextvars import Context
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from kernelq.executor import run_coroutine
from kernelq_gevent.coroutines import Coroutines
from kernelq_gevent.errors import hub_errors_logged
from kernelq_gevent.slot import Slot

if TYPE_CHECKING:
    from kernelq.handles import HostLink
    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute

READABLE = 1


class GeventRuntime:
    """Runs each job in a greenlet of its own, at most `slots` at a time.

    All but `_interrupt` runs in one native thread, and greenlets give way only where they wait: nothing needs a lock.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._busy = 0
        self._ending = False
        self._called = False
        self._running: dict[int, gevent.Greenlet] = {}
        self._idle: list[Slot] = []
        self._context = Context()
        self._interrupts: deque[tuple[int, type[BaseException]]] = deque()

    def serve(self, link: HostLink, execute: Execute) -> None:
        """Run jobs until the link says the end, and all have ended."""
        hub = gevent.get_hub()
        self._link, self._execute, self._loop = link, execute, hub.loop
        self._ended = Event()
        self._came = hub.loop.io(link.fileno(), READABLE)
        self._asked = hub.loop.async_()
        with hub_errors_logged(hub), closing(self._came), closing(self._asked), closing(Coroutines()) as coroutines:
            self._context.run(run_coroutine.set, coroutines.run)
            self._asked.start(self._throw)
            link.on_interrupt(self._interrupt)
            self._came.start(self._turn)
            self._ended.wait()
            link.on_interrupt(_in_none)
        link.flush()

    def _call(self) -> None:
        if not self._called:
            self._called = True
            self._loop.run_callback(self._turn)

    def _turn(self) -> None:
        """Take what can start now, once per turn of the loop. What was reported is sent when nothing has come."""
        self._called = False
        free = 0 if self._ending else self._slots - self._busy
        if free:
            jobs = self._link.receive(timeout=0, limit=free)
            if jobs is None:
                self._ending = True
            elif jobs:
                self._busy += len(jobs)
                for job in jobs:
                    self._start(job)
                self._call()  # behind those just started: their starts are flushed, or more is taken
        else:
            self._link.flush()
        self._listen()

    def _listen(self) -> None:
        if self._ending and not self._busy:
            self._ended.set()
        if self._ending or self._busy >= self._slots:
            self._came.stop()  # it stays readable while jobs wait
        elif not self._came.active:
            self._came.start(self._turn)

    def _start(self, job: Job) -> None:
        while self._idle:
            slot = self._idle.pop()
            if slot.reusable:
                slot.give(job)
                return
            if not slot.greenlet.dead:
                slot.give(None)
        Slot(self._context, self._run, job)

    def _run(self, slot: Slot, job: Job) -> None:
        self._link.started(job)
        self._running[job.id] = slot.greenlet
        try:
            outcome = self._execute(job)
        except BaseException as error:  # noqa: BLE001  # an interrupt that came before the task began, or after it ended
            outcome = self._execute.interrupted(job, error)
        del self._running[job.id]  # from here on no greenlet runs but this, so no interrupt can come too late
        self._link.finished(job, outcome)
        self._busy -= 1
        self._idle.append(slot)
        self._call()

    def _interrupt(self, job_id: int, error: type[BaseException]) -> bool:
        """Have `error` raised in a job; called in the link's own thread. A loop that is busy does it when it can."""
        if job_id not in self._running:
            return False
        self._interrupts.append((job_id, error))
        self._asked.send()
        return True

    def _throw(self) -> None:
        while self._interrupts:
            job_id, error = self._interrupts.popleft()
            greenlet = self._running.get(job_id)
            if greenlet is not None:
                greenlet.throw(error)


def _in_none(job_id: int, error: type[BaseException]) -> bool:
    return False
