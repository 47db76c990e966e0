"""The pool without hosts: jobs run in the supervisor itself, between two turns of the loop."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from kernelq.exceptions import Reject
from kernelq.executor import Executor
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_worker.hosts import told
from kernelq_worker.hosts.alarm import Alarm
from kernelq_worker.hosts.desk import Desk, Ledger
from kernelq_worker.hosts.loss import Loss, LossKind
from kernelq_worker.hosts.pace import Pace

if TYPE_CHECKING:
    from kernelq.kernel.contracts.pool import Execute
    from kernelq.kernel.hooks import Hooks
    from kernelq_worker.loop import WorkerLoop

logger = logging.getLogger(__name__)

SLICE = 0.002
"""Seconds for which short jobs are run before the loop turns, so that what they cost beside is paid once for many."""


class InlineSupervisor:
    """The `PoolHandle` of a pool of the kind INLINE: for debuggers, and for brokers that live in one process.

    One job at a time; the loop turns after every job that is not short, so control is served between jobs, and not
    while one runs. Limits are held by a signal, in the main thread only; there is no other process to end.
    """

    concurrency = 1

    def __init__(
        self, name: str, loop: WorkerLoop, ledger: Ledger, execute: Execute, hooks: Hooks | None = None
    ) -> None:
        self._name = name
        self._loop = loop
        self._execute = execute
        self._ledger = ledger
        self._desk = Desk(loop, ledger, lambda: None)
        self._jobs: deque[Job] = deque()
        self._pace = Pace()
        self._called = False
        self._stopping = False
        self._alarm = Alarm()
        self._warned = False
        self._hooks = hooks
        if hooks is not None:
            told.began(hooks)

    @property
    def free(self) -> int:
        """How many jobs can be submitted now: one, and more while jobs are short."""
        return 0 if self._stopping else max(self._pace.depth - len(self._jobs), 0)

    @property
    def wedged(self) -> bool:
        """Whether no host shows a sign of life: there is none but this process."""
        return False

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs; they run in the loop's next turns."""
        if self._stopping:
            self._desk.give_back(jobs)
            return
        self._jobs.extend(jobs)
        self._call()

    def _call(self) -> None:
        if self._jobs and not self._called:
            self._called = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._called = False
        jobs, desk, pid, execute = self._jobs, self._desk, os.getpid(), self._execute
        end = time.perf_counter() + SLICE
        try:
            while jobs:
                if jobs[0].alone and not desk.begin(jobs[0]):
                    return
                job = jobs.popleft()
                began = time.perf_counter()
                if self._pace.depth == 1:
                    self._ledger.started([(job.id, pid)])  # it may be long, or never return: say so first
                else:
                    desk.started.append((job.id, pid))
                outcome = execute(job) if job.soft is None and job.hard is None else self._run_limited(job)
                now = time.perf_counter()
                self._pace.ran(now - began)
                desk.finished.append((job.id, outcome))
                if now >= end or self._pace.depth == 1:
                    break
        finally:
            desk.deliver()
        self._call()

    def _run_limited(self, job: Job) -> Outcome:
        if self._alarm.works():
            return self._alarm.run(job, self._execute)
        if not self._warned:
            self._warned = True
            logger.warning("time limits have no effect in the pool %s outside the main thread", self._name)
        return self._execute(job)

    def recall(self) -> Sequence[Job]:
        """Start no further job; return those that wait."""
        self._stopping = True
        jobs = list(self._jobs)
        self._jobs.clear()
        return jobs

    def withdraw(self, job_ids: Iterable[int]) -> None:
        """Do not begin these jobs; they are reported as returned."""
        ids = frozenset(job_ids)
        self._desk.give_back([job for job in self._jobs if job.id in ids])
        self._jobs = deque(job for job in self._jobs if job.id not in ids)

    def cut(self, frame: FrameType | None) -> None:
        """Raise in the task whose code a signal has interrupted at `frame`, so that it goes back; else do nothing.

        C code notices when it returns. A task that catches every `Exception` goes on until the next signal.
        """
        if _is_of_a_task(frame):
            raise Reject("the worker ends", requeue=True)

    def terminate(self, job_id: int, signal: int) -> bool:
        """End a job that waits; one that runs here cannot be ended."""
        for job in self._jobs:
            if job.id == job_id:
                self._jobs.remove(job)
                self._desk.lose(job_id, Loss(LossKind.TERMINATED, "terminated", signum=signal))
                return True
        return False

    def set_limits(self, job_id: int, soft: float | None, hard: float | None) -> bool:
        """Change the limits, in seconds from its start, of a job that waits; one that runs here keeps its own."""
        for job in self._jobs:
            if job.id == job_id:
                job.soft, job.hard = soft, hard
                return True
        return False

    def grow(self, n: int = 1) -> int:
        """Return 1: it cannot grow."""
        return 1

    def shrink(self, n: int = 1) -> int:
        """Return 1: it cannot shrink."""
        return 1

    def restart(self) -> None:
        """Do nothing: there is no host."""

    def stop(self, deadline: float) -> None:
        """Give back what waits. May be called twice."""
        self._desk.give_back(self.recall())
        self._desk.deliver()
        if self._hooks is not None:
            told.ended(self._hooks)
            self._hooks = None

    def info(self) -> dict[str, Any]:
        """Return a JSON-able dict for `inspect stats`, with Celery's keys."""
        return {
            "implementation": self._name,
            "max-concurrency": 1,
            "processes": [os.getpid()],
            "max-tasks-per-child": "N/A",
            "max-memory-per-child": "N/A",
            "put-guarded-by-semaphore": True,
            "free": self.free,
            "waiting": len(self._jobs),
            **self._desk.count,
        }


_AROUND = frozenset({"kernelq.executor", "kernelq.tracer"})


def _is_of_a_task(frame: FrameType | None) -> bool:
    """Tell whether `frame` is within a call that the executor has made of a task, and not of KernelQ's own code."""
    while frame is not None:
        caller = frame.f_back
        if caller is not None and caller.f_code is Executor.run.__code__:
            return frame.f_globals.get("__name__") not in _AROUND or frame.f_code is Executor._await.__code__
        frame = caller
    return False
