"""A host runtime at work, as in a worker: in the main thread of a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import traceback
import warnings
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from functools import partial, wraps
from inspect import signature
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.job import Job
from kernelq.kernel.contracts.pool import HostKind, Prepares
from kernelq.outcome import Outcome
from kernelq_testkit.child import fork
from kernelq_testkit.link import FakeLink

if TYPE_CHECKING:
    from kernelq.kernel.contracts.pool import Pool

PATIENCE = 20.0
"""Seconds that a runtime may take to end when the test has."""
ENOUGH = 90
"""Seconds after which the process of a test is ended, should nothing else end it."""


class Hosted:
    """The pool's runtime, the link that drives it, and the jobs it runs: they wait while `holding` is true.

    A job whose body is the name of an exception in `RAISES` raises that. Locks and sleeps of the test's side are the
    interpreter's own, since `Prepares.prepare` may have replaced those of the standard library.
    """

    def __init__(self, pool: Pool, slots: int) -> None:
        self.pool = pool
        self.slots = slots
        self.link = FakeLink()
        self.holding = False
        self.ran: list[int] = []
        self.loops: set[int] = set()
        """Event loops that jobs have run on."""
        self.running = 0
        self.most = 0
        self.ended = False
        self.error: BaseException | None = None
        """What `serve` raised."""
        self._lock = allocate_lock()

    def __call__(self, job: Job) -> Outcome:
        """Run one job; while the test holds it, it sleeps in small steps, as the pool's tasks sleep."""
        try:
            self._begin(job)
            try:
                while self.holding:
                    time.sleep(0.005)
                return _outcome(job)
            finally:
                self._end()
        except INTERRUPTS as error:
            return Outcome("INTERRUPTED", detail=type(error).__name__)

    async def execute_async(self, job: Job) -> Outcome:
        """Run one job on the running event loop."""
        self.loops.add(id(asyncio.get_running_loop()))
        try:
            self._begin(job)
            try:
                while self.holding:
                    await asyncio.sleep(0.005)
                return _outcome(job)
            finally:
                self._end()
        except INTERRUPTS as error:
            return Outcome("INTERRUPTED", detail=type(error).__name__)

    def is_async(self, job: Job) -> bool:
        """Tell that a job may run on an event loop, as that of an ``async def`` task."""
        return True

    def interrupted(self, job: Job, error: BaseException) -> Outcome:
        """Return the outcome of a job that `error` hit outside of what is run for it."""
        return Outcome("INTERRUPTED", detail=type(error).__name__)

    def serve(self) -> None:
        """Be the host: run jobs until the test, in another thread, says the end."""
        try:
            if isinstance(self.pool, Prepares):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # here more has been imported than in a new interpreter
                    self.pool.prepare()
            self.pool.runtime(self.slots).serve(self.link, self)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.ended = True

    def hold(self, *jobs: Job) -> None:
        """Give jobs that run until `release`."""
        self.holding = True
        self.link.give(*jobs)

    def release(self) -> None:
        """Let the jobs end."""
        self.holding = False

    def wait_until_running(self, count: int) -> bool:
        """Wait until `count` jobs run; return whether they do."""
        return self.link.wait_for(lambda: self.running >= count)

    def wait_until_run(self, number: int) -> bool:
        """Wait until this job has an outcome, or nothing can have one any more; return whether it has."""
        self.link.wait_for(lambda: self.ended or number in self.link.outcomes)
        return number in self.link.outcomes

    def wait_until_ended(self, timeout: float = PATIENCE) -> bool:
        """Wait until `serve` has returned, or raised; return whether it has."""
        return self.link.wait_for(lambda: self.ended, timeout)

    def _begin(self, job: Job) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.ran.append(job.id)

    def _end(self) -> None:
        with self._lock:
            self.running -= 1


INTERRUPTS = (SoftTimeLimitExceeded, TimeLimitInterrupt)
RAISES: dict[bytes, type[BaseException]] = {
    error.__name__.encode(): error for error in (RuntimeError, SystemExit, KeyboardInterrupt, BaseException)
}


def _outcome(job: Job) -> Outcome:
    if job.body in RAISES:
        raise RAISES[job.body]("by the test")
    return Outcome("SUCCESS", detail=f"ran {job.id}")


def job(number: int, raises: type[BaseException] | None = None) -> Job:
    """Return a small job."""
    body = b"" if raises is None else raises.__name__.encode()
    return Job(number, "kit.task", f"id-{number}", {}, body, {}, "application/json", "utf-8", {})


def in_a_host(test: Callable[..., None]) -> Callable[..., None]:
    """Run the body of a test beside a host: the runtime has the main thread of a new process, the body a second one.

    The test has the parameters `pool` and `hosted`, and others by name. A pool in the supervisor has no runtime: the
    test passes.
    """

    @wraps(test)
    def run(self: Any, pool: Pool, **given: Any) -> None:
        if pool.kind is not HostKind.INLINE:
            hosted = Hosted(pool, min(self.slots, pool.layout(self.slots, None).slots))
            failure = _run_beside(hosted, partial(test, self, **given))
            if failure:
                pytest.fail(failure, pytrace=False)

    shown = signature(test)
    parameters = [parameter for name, parameter in shown.parameters.items() if name != "hosted"]
    vars(run)["__signature__"] = shown.replace(parameters=parameters)
    return run


def _run_beside(hosted: Hosted, body: Callable[[Pool, Hosted], None]) -> str:
    """Return the traceback of what failed in the child, or nothing."""
    reader, writer = os.pipe()
    pid = fork()
    if pid == 0:
        signal.alarm(ENOUGH)
        start_new_thread(_drive, (hosted, body, writer))
        hosted.serve()
        while True:
            sleep(1)
    os.close(writer)
    hosted.link.close()
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    return text or ("" if status == 0 else f"the host ended with status {status}")


def _drive(hosted: Hosted, body: Callable[[Pool, Hosted], None], writer: int) -> None:
    """Run the test, then end the process, whatever its main thread does."""
    text = ""
    try:
        body(hosted.pool, hosted)
        hosted.release()
        hosted.link.end()
        assert hosted.wait_until_ended(), "the test has ended, the link has said the end, and serve does not return"
        if hosted.error is not None:
            raise hosted.error
    except BaseException:  # noqa: BLE001 - it is reported to the parent
        text = traceback.format_exc()
    os.write(writer, text.encode()[-60000:])
    os._exit(0)
