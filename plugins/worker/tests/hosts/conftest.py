"""A pool, a ledger that counts by identity, and a supervisor with real processes."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kernelq.handles import HostLink
from kernelq.job import Job
from kernelq.kernel.contracts.pool import HostKind, Layout, PoolCapability
from kernelq.outcome import Outcome
from kernelq_testkit.executes import Executes
from kernelq_testkit.waiting import patience
from kernelq_worker.hosts.loss import Loss
from kernelq_worker.hosts.policy import HostPolicy
from kernelq_worker.hosts.spawn import Fork
from kernelq_worker.hosts.supervisor import HostSupervisor
from kernelq_worker.loop import WorkerLoop


class Runtime:
    """Runs jobs in threads, as simply as can be."""

    def __init__(self, slots: int) -> None:
        from kernelq_threads.runtime import ThreadsRuntime

        self._inner = ThreadsRuntime(slots)

    def serve(self, link: HostLink, execute: Callable[[Job], Outcome]) -> None:
        self._inner.serve(link, execute)


class ThreadPool:
    name = "test"
    kind = HostKind.FORK
    capabilities: frozenset[Any] = frozenset()

    def layout(self, concurrency: int, hosts: int | None) -> Layout:
        return Layout(hosts or 1, concurrency)

    def runtime(self, slots: int) -> Runtime:
        return Runtime(slots)


class IsolatedPool(ThreadPool):
    capabilities = frozenset({PoolCapability.ISOLATION})


class Book:
    """A ledger that notes everything by the job's id."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.lane: Callable[[], bool] = lambda: True
        """Whether redelivered jobs may begin; it may raise."""
        self.pids: dict[int, int] = {}
        self.finished_ids: Counter[int] = Counter()
        self.outcomes: dict[int, Outcome] = {}
        self.losses: dict[int, Loss] = {}
        self.given_back: list[Job] = []
        self.batches = 0

    def beginning(self, job_id: int) -> bool:
        if not self.lane():
            return False
        self.begun.append(job_id)
        return True

    def started(self, batch: Sequence[tuple[int, int]]) -> None:
        self.pids.update(batch)

    def finished(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        self.batches += 1
        self.finished_ids.update(job_id for job_id, _ in batch)
        self.outcomes.update(batch)

    def lost(self, batch: Sequence[tuple[int, Loss]]) -> None:
        for job_id, loss in batch:
            assert job_id not in self.losses
            self.losses[job_id] = loss

    def returned(self, jobs: Sequence[Job]) -> None:
        self.given_back.extend(jobs)

    @property
    def seen(self) -> int:
        return len(self.outcomes) + len(self.losses) + len(self.given_back)


def job(number: int, body: str = "", **options: Any) -> Job:
    """A job whose body tells `execute` what to do."""
    return Job(number, "t", f"id-{number}", {}, body.encode(), {}, "text/plain", "utf-8", {}, **options)


eaten: list[bytes] = []


def execute(job: Job) -> Outcome:
    """Do what the body says: nothing, ``sleep S``, ``until PATH``, ``stubborn S``, ``hog``, ``eat MB``, ``die`` …"""
    word, _, rest = job.body.decode().partition(" ")
    if word in ("sleep", "until"):
        try:
            sleep(float(rest)) if word == "sleep" else wait_for(rest)
        except BaseException as error:  # noqa: BLE001
            return Outcome("FAILURE", detail=repr(error))
    elif word == "stubborn":
        end = time.monotonic() + float(rest)
        while time.monotonic() < end:
            with suppress(BaseException):
                sleep(end - time.monotonic())
    elif word == "hog":
        sum(itertools.repeat(1, int(float(rest))))  # C code that holds the interpreter's lock
    elif word == "hold":
        ctypes.PyDLL(None).usleep(int(float(rest) * 1e6))  # it waits with the lock held, as a bad driver does
    elif word == "eat":
        megabytes, _, path = rest.partition(" ")
        eaten.append(b"x" * (int(megabytes) << 20))
        if path:
            wait_for(path)
    elif word == "die":
        os.kill(os.getpid(), 9)
    elif word == "exit":
        os._exit(int(rest))
    elif word == "garbage":
        for fd in os.listdir("/proc/self/fd"):
            if os.path.exists(f"/proc/self/fd/{fd}") and "socket" in os.readlink(f"/proc/self/fd/{fd}"):
                os.write(int(fd), bytes.fromhex(rest))
        time.sleep(30)
    return Outcome("SUCCESS", detail=f"{os.getpid()}")


def sleep(seconds: float) -> None:
    """Sleep in small steps, so that an interrupt finds its way in."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(0.005, left))


def wait_for(path: str) -> None:
    """Return when the file is there, looking in small steps, so that an interrupt finds its way in."""
    while not os.path.exists(path):
        time.sleep(0.005)


def stop(pid: int) -> None:
    """Stop a child, and return when all of its threads have stopped; on a busy machine that is not at once."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


class Gate:
    """Holds the jobs whose body it is until it is opened: what is true meanwhile does not pass by itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        """The body of a job that waits at the gate."""
        return f"until {self._path}"

    @property
    def path(self) -> str:
        """The file that is waited for."""
        return str(self._path)

    def open(self) -> None:
        """Let the jobs end."""
        self._path.touch()


PATIENCE = 60.0
"""Seconds after which a test gives up; a loaded machine needs many of them, an idle one none."""


class Rig:
    """A supervisor under test, with its loop and its ledger."""

    def __init__(self, hosts: int, slots: int, **options: Any) -> None:
        self.loop = WorkerLoop()
        self._folder = tempfile.TemporaryDirectory()
        self._gates = 0
        self.book = Book()
        run = options.pop("execute", execute)
        pool = options.pop("pool", None) or (ThreadPool() if slots > 1 else IsolatedPool())
        spawn = options.pop("spawn", None) or Fork(pool, Executes(run))
        self.pool = HostSupervisor(pool, Layout(hosts, slots), self.loop, self.book, spawn, HostPolicy(**options))

    def start(self) -> Rig:
        self.pool.start()
        return self

    def until(self, condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Turn the loop until `condition` holds; fail with the pool's figures where it does not in time."""
        end = time.monotonic() + patience(timeout)
        timer = self.loop.call_repeatedly(0.02, lambda: None)
        while not condition():
            self.loop.turn()
            assert time.monotonic() < end, f"{self.pool.info()}, {self.book.seen} jobs have ended"
        timer.cancel()

    def gate(self) -> Gate:
        """Make a gate for jobs; it is opened by the test, or taken away with the rig."""
        self._gates += 1
        return Gate(Path(self._folder.name, f"gate-{self._gates}"))

    def stream(self, start: int = 0) -> int:
        """Run short jobs, numbered from `start`, until they are measured to be short; return the next number.

        Then more is sent ahead than there are slots. One burst is enough on an idle machine.
        """
        end = time.monotonic() + patience(PATIENCE)
        while self.pool.free <= self.pool.concurrency or not start:
            assert time.monotonic() < end, f"jobs that do nothing are not short: {self.pool.info()}"
            seen = self.book.seen + 500
            self.pool.submit([job(number) for number in range(start, start + 500)])
            self.until(lambda at=seen: self.book.seen == at)
            start += 500
        return start

    def settle(self, seconds: float = 0.5) -> None:
        """Turn the loop for so long: what should not happen would have happened by then on an idle machine."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.loop.turn(longest=left)

    def pids(self) -> list[int]:
        return list(self.pool.info()["processes"])

    def close(self) -> None:
        self.pool.stop(time.monotonic())
        self.loop.close()
        self._folder.cleanup()


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    """Make supervisors that are stopped when the test ends."""
    made: list[Rig] = []

    def make(hosts: int = 1, slots: int = 1, **options: Any) -> Rig:
        made.append(Rig(hosts, slots, **options))
        return made[-1].start()

    yield make
    for one in made:
        one.close()
