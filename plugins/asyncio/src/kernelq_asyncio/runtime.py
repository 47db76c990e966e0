"""What runs inside a host of the asyncio pool: an event loop in the main thread, and the jobs on it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from kernelq_asyncio.awaited import Awaited
from kernelq_asyncio.threaded import Threaded
from kernelq_asyncio.threads import Threads

if TYPE_CHECKING:
    from kernelq.handles import HostLink
    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute

log = logging.getLogger("kernelq.host")

MOST_THREADS = 1000
"""Plain functions that run at a time, whatever the slots; others wait for a thread, and are not reported as started."""


class AsyncioRuntime:
    """Runs ``async def`` tasks on one loop, uvloop's where it is installed; plain functions in threads."""

    def __init__(self, slots: int) -> None:
        self._slots = slots

    def serve(self, link: HostLink, execute: Execute) -> None:
        """Run jobs until the link says the end, and all have ended; then end what tasks have left on the loop."""
        width = min(self._slots, MOST_THREADS)
        with (
            Threads(width) as threads,
            asyncio.Runner(loop_factory=new_loop) as runner,
        ):
            loop = runner.get_loop()
            # For `asyncio.to_thread` in tasks; by default there are four threads more than cores.
            loop.set_default_executor(ThreadPoolExecutor(max(width, 32), "asyncio"))
            jobs = Jobs(loop, threads, link, execute, self._slots)
            while not jobs.ended.done():
                try:
                    loop.run_until_complete(jobs.ended)
                except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
                    # A task of a task has raised it, or has stopped the loop: that is no end for all the others.
                    if loop.is_closed():
                        raise
                    log.error("a task tried to end the event loop, which goes on: %r", error)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop, of uvloop where that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Jobs:
    """The jobs of one host. All but `interrupt` is for the loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, threads: Threads, link: HostLink, execute: Execute, slots: int
    ) -> None:
        self._loop = loop
        self._threads = threads
        self._link = link
        self._execute = execute
        self._slots = slots
        self._running: dict[int, Awaited | Threaded] = {}
        self._context = copy_context()  # a job begins in a copy of it, not in that of the job that ended before
        self._reading = self._flushing = self._last = False
        self._in_threads = 0
        self._threaded: deque[tuple[Job, Threaded]] = deque()
        """What has ended in threads; they tell the loop of the first, which then takes all."""
        self._told = False
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the link has said the end, and no job runs. No task, so that no task can cancel it by accident."""
        link.on_interrupt(self.interrupt)
        self._read()

    def interrupt(self, job_id: int, error: type[BaseException]) -> bool:
        """Raise `error` in a running job; return whether it was there. From any thread."""
        running = self._running.get(job_id)
        return running is not None and running.interrupt(error)

    def _read(self) -> None:
        self._reading = True
        self._loop.add_reader(self._link.fileno(), self._take)

    def _pause(self) -> None:
        self._reading = False
        self._loop.remove_reader(self._link.fileno())

    def _take(self) -> None:
        free = self._slots - len(self._running)
        if free <= 0:
            self._pause()  # the descriptor stays readable
            return
        jobs = self._link.receive(timeout=0, limit=free)
        if jobs is None:
            self._pause()
            self._last = True
            self._look()
            return
        for job in jobs:
            self._begin(job)

    def _begin(self, job: Job) -> None:
        if self._execute.is_async(job):
            awaited = self._running[job.id] = Awaited(self._loop, self._execute, job)
            self._link.started(job)
            name = f"{job.task}[{job.task_id}]"  # for whoever looks at a log or at `asyncio.all_tasks`
            task = self._loop.create_task(awaited.run(), name=name, context=self._context.copy())
            task.add_done_callback(lambda _: self._end(job, awaited), context=self._context)
            self._flush_soon()
            return
        threaded = self._running[job.id] = Threaded(self._execute, job)
        self._in_threads += 1
        try:
            self._threads.run(partial(self._context.copy().run, self._work, job, threaded), self._in_threads)
        except RuntimeError as error:  # it is in the queue of those threads that there are
            log.warning("%s[%s] waits for a thread: %s", job.task, job.task_id, error)

    def _work(self, job: Job, threaded: Threaded) -> None:
        self._link.started(job)
        threaded.run()
        self._threaded.append((job, threaded))
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._end_threaded, context=self._context)

    def _end_threaded(self) -> None:
        self._told = False  # before the look: what ends after it tells anew
        threaded = self._threaded
        while threaded:
            self._in_threads -= 1
            self._end(*threaded.popleft())

    def _end(self, job: Job, ended: Awaited | Threaded) -> None:
        del self._running[job.id]
        self._link.finished(job, ended.outcome)
        self._flush_soon()
        self._look()

    def _look(self) -> None:
        if self._last:
            if not self._running and not self.ended.done():
                self.ended.set_result(None)
        elif not self._reading:
            self._read()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush, context=self._context)

    def _flush(self) -> None:
        self._flushing = False
        self._link.flush()
