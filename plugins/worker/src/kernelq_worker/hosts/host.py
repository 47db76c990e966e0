"""The supervisor's view of one host: its process, its connection, and the jobs it has."""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import attrs

from kernelq.job import Job
from kernelq_worker.hosts import wire
from kernelq_worker.hosts.channel import Channel, pair
from kernelq_worker.hosts.loss import NEIGHBOUR, Loss
from kernelq_worker.hosts.marks import Marks
from kernelq_worker.hosts.spawn import Spawner

if TYPE_CHECKING:
    from kernelq.handles import Loop

logger = logging.getLogger(__name__)


@attrs.define(eq=False)
class Work:
    """One job that a host has. Times are seconds of the monotonic clock, limits seconds from the start."""

    job: Job
    sent_at: float
    number: int
    """How many jobs its host had been sent before it."""
    started_at: float | None = None
    soft: float | None = None
    hard: float | None = None
    interrupted: bool = False
    """Whether it was told of its soft limit."""
    overdue_at: float | None = None
    """When it was told of its hard limit."""

    def limit(self, soft: float | None, hard: float | None) -> None:
        """Set other limits; what it was told of the old ones counts no longer."""
        self.soft, self.hard = soft, hard
        self.interrupted, self.overdue_at = False, None


class Host:
    """One host process. The supervisor alone holds it; nothing but `wait` waits."""

    def __init__(self, loop: Loop, spawn: Spawner, slots: int, close_others: Callable[[], None]) -> None:
        self.slots = slots
        """Jobs at a time, as it was started."""
        self.work: dict[int, Work] = {}
        self.taken = 0
        """Jobs it has been given in its life, less those it gave back."""
        self.running = 0
        """Jobs that it has said to run."""
        self.ready = False
        self.outgoing = False
        """It works until its successor is ready."""
        self.retiring = False
        """It is given no more jobs."""
        self.finishing = False
        """It retires when it has run all that it has."""
        self.recalling = False
        """It is to give back what has not begun, and has not answered yet."""
        self.cell = False
        """It runs redelivered jobs only, one at a time, beside hosts of many slots."""
        self.alone = False
        """Kept for one redelivered job."""
        self.why = ""
        """What it said where it could not start."""
        self.born = self.heard_at = self.fed_at = time.monotonic()
        """When it was started, reported last, and was last given a job while it had none."""
        self.dooms: dict[int, Loss] = {}
        """What becomes of jobs for whose sake it is ended."""
        self.doom: Loss | None = None
        """What becomes of its other jobs, where it was killed."""
        self.withdrawn: frozenset[int] = frozenset()
        """Jobs that nobody here is to run once it has given them back."""
        self._loop = loop
        self._sent = 0
        self._told_end = False
        self._closed = False
        with ExitStack() as undo:
            self._marks = Marks(slots)
            undo.callback(self._marks.close)
            ours, theirs = pair()
            undo.callback(ours.close)

            def close() -> None:
                ours.close()
                close_others()

            with theirs:
                self.pid = spawn(theirs, self._marks, slots, close)
            undo.pop_all()
        self._channel = Channel(loop, ours)
        self.pidfd = _pidfd(self.pid)
        """Readable when the process has ended; None where the system has no such thing."""

    def watch(self, on_bytes: Callable[[Host], None], on_end: Callable[[Host], None]) -> None:
        """Call back when reports have come, and, where there is a `pidfd`, when the process has ended."""
        self._channel.watch(on_bytes, self)
        if self.pidfd is not None:
            self._loop.add_reader(self.pidfd, on_end, self)

    def info(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {
            "pid": self.pid,
            "slots": self.slots,
            "jobs": len(self.work),
            "running": self.running,
            "retiring": self.retiring,
            "cell": self.cell,
            "alone": self.alone,
        }

    # -- jobs

    def give(self, jobs: Sequence[Job], now: float) -> None:
        """Send jobs. Raises `wire.Unsendable`, and has sent none then."""
        frame = wire.order(wire.Order.JOBS, jobs)
        work, clear = self.work, self._marks.clear
        if not work:
            self.fed_at = now
        for job in jobs:
            number = self._sent
            self._sent = number + 1
            clear(number)
            work[job.id] = Work(job, now, number, None, job.soft, job.hard)
        self.taken += len(jobs)
        self._channel.send(frame)

    def began(self, work: Work) -> bool:
        """Whether the host had taken up a job, reported or not."""
        return work.started_at is not None or self._marks[work.number]

    def take_back(self, ids: Sequence[int]) -> list[Job]:
        """Return the jobs of these ids, which have not begun, and forget them."""
        jobs = [self.work.pop(job_id).job for job_id in ids if job_id in self.work]
        self.taken -= len(jobs)
        return jobs

    # -- talking

    def tell(self, kind: wire.Order, ids: Sequence[int] = ()) -> None:
        """Send an order."""
        self._channel.send(wire.order(kind, ids=ids))

    def retire(self) -> None:
        """Let it give back what has not begun, run the rest, and end."""
        self.retiring = True
        if not self._told_end:
            self._told_end = self.recalling = True
            self.tell(wire.Order.END)

    def finish(self) -> None:
        """Let it run all that it has, then end: `retire` it when it has no work."""
        self.retiring = self.finishing = True

    def stay(self) -> None:
        """Undo `finish`, where it is not too late for that."""
        if not self._told_end:
            self.retiring = self.finishing = False

    def recall(self) -> None:
        """Let it give back what has not begun."""
        if not self.recalling:
            self.recalling = True
            self.tell(wire.Order.RECALL)

    def withdraw(self, ids: frozenset[int]) -> None:
        """Let it give back what has not begun, so that those of these ids are not run."""
        waiting = frozenset(job_id for job_id, work in self.work.items() if job_id in ids and not self.began(work))
        if waiting:
            self.withdrawn |= waiting
            self.recall()

    def answered(self) -> None:
        """Note that it has given back what had not begun. One that ends is asked nothing again."""
        self.recalling = self._told_end

    def read(self) -> tuple[list[memoryview], bool]:
        """Return reports that have come, and whether the connection has ended. Raises `wire.FrameError`."""
        return self._channel.read()

    def rest(self) -> Iterator[memoryview]:
        """Yield what an ended host had still reported. Raises `wire.FrameError`."""
        return self._channel.rest()

    def deaf(self, *, garbled: bool = False) -> None:
        """Read no more: its connection has ended, or carries what cannot be understood."""
        self._channel.deaf(garbled=garbled)

    # -- ending

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal. It is not reaped before `reap`, so its process id is its own."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill_for(self, job_id: int, loss: Loss, number: int = signal.SIGKILL) -> None:
        """End it by signal `number` for the sake of one of its jobs."""
        self.dooms[job_id] = loss
        self.doom = NEIGHBOUR
        self.kill(number)

    def spare(self, job_id: int) -> None:
        """Note that a job for whose sake it was to end is gone, and that it lives on."""
        if self.dooms.pop(job_id, None) is not None and not self.dooms:
            self.doom = None

    def reap(self) -> int | None:
        """Return the exit status as `os.waitstatus_to_exitcode` gives it, None while the process lives."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            logger.warning("host %d was reaped by something else", self.pid)
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None

    def wait(self, deadline: float) -> int | None:
        """Wait for its end until `deadline` (monotonic seconds); return as `reap` does."""
        while (code := self.reap()) is None and (left := deadline - time.monotonic()) > 0:
            if self.pidfd is None:
                time.sleep(min(left, 0.005))
            else:
                _poll(self.pidfd, left)
        return code

    def close(self) -> None:
        """Free the descriptors."""
        if self._closed:
            return
        self._closed = True
        self._channel.close()
        self._marks.close()
        if self.pidfd is not None:
            self._loop.remove_reader(self.pidfd)
            os.close(self.pidfd)

    def close_after_fork(self) -> None:
        """Close the supervisor's descriptors in a forked child; the parent's loop is not touched."""
        self._channel.close_after_fork()
        self._marks.close()
        if self.pidfd is not None:
            with suppress(OSError):
                os.close(self.pidfd)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # no Linux, or no descriptor left: its connection tells of its end
        return None


def _poll(fd: int, seconds: float) -> None:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    poller.poll(seconds * 1000)


def death(code: int) -> str:
    """Return an exit status in words: ``killed by SIGKILL``, ``exit code 3``."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"


def signal_name(number: int) -> str:
    """Return a signal's name: ``SIGKILL``; ``signal 99`` where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
