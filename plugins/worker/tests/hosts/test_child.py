"""Whatever the app's code does to its host, the host ends as it should, and the pool says what happened."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from kernelq.handles import HostLink
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_testkit.executes import Executes
from kernelq_worker.hosts.spawn import Fork
from kernelq_worker.hosts.supervisor import HostStartError

from .conftest import IsolatedPool, Rig, job

PATIENCE = 60.0


class OneByOne:
    """Runs its jobs in the host's main thread, where signals are heard."""

    def serve(self, link: HostLink, execute: Callable[[Job], Outcome]) -> None:
        while (jobs := link.receive(limit=1)) is not None:
            for one in jobs:
                link.started(one)
                link.finished(one, execute(one))


class MainThreadPool(IsolatedPool):
    def runtime(self, slots: int) -> Any:
        return OneByOne()


def leave_early(number: int, frame: object) -> None:
    sys.exit(5)


def misbehave(one: Job) -> Outcome:
    """Do as the body says, to the process that this runs in."""
    word = one.body.decode()
    if word == "print":
        os.write(1, b"raw\n" * 1000)
        os.write(2, b"raw\n" * 1000)
        print("text")
    elif word == "thread":
        threading.Thread(target=time.sleep, args=(600,)).start()
    elif word == "ignore":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
    elif word == "handler":
        signal.signal(signal.SIGTERM, leave_early)
    elif word == "wakeup":
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    elif word == "child":
        subprocess.Popen(["sleep", "600"])
    elif word == "fork":
        os.fork()  # and the child comes out of the task too
    elif word == "exit":
        os._exit(7)
    elif word == "term":
        return Outcome("SUCCESS", detail=str([ended_by_term() for _ in range(100)]))
    return Outcome("SUCCESS", detail=str(os.getpid()))


def ended_by_term() -> int:
    """Fork a process that sleeps, and end it at once; return its exit code: minus the number of the signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        pid = os.fork()
    if pid == 0:
        time.sleep(PATIENCE / 2)
        os._exit(0)
    os.kill(pid, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def one(rig: Callable[..., Rig]) -> Rig:
    """A supervisor with one host of one slot."""
    return rig(1, 1, pool=MainThreadPool(), execute=misbehave)


def do(r: Rig, *words: str) -> None:
    before = r.book.seen
    r.pool.submit([job(before + number, word) for number, word in enumerate(words)])
    r.until(lambda: r.book.seen == before + len(words), PATIENCE)


@pytest.mark.parametrize("what", ["print", "thread", "ignore", "handler", "wakeup", "child", "fork"])
def test_a_host_works_on_and_ends_after_a_task_has(one: Rig, what: str) -> None:
    """Printed past Python, started a thread that outlives it, changed or blocked signals, left a process behind."""
    do(one, what, "", "")
    (pid,) = one.pids()
    assert {str(pid)} == {outcome.detail for outcome in one.book.outcomes.values()}
    assert [1, 1, 1] == list(one.book.finished_ids.values())
    host = psutil.Process(pid)
    left = host.children()
    one.pool.restart()
    one.until(lambda: pid not in one.pids() and not psutil.pid_exists(pid), PATIENCE)
    do(one, "")
    for process in left:
        process.kill()


def test_a_process_that_comes_out_of_a_task_is_ended_and_says_why(
    capfd: pytest.CaptureFixture[str], rig: Callable[..., Rig]
) -> None:
    """It neither answers for the job nor takes the next one."""
    one = rig(1, 1, pool=MainThreadPool(), execute=misbehave)
    do(one, "fork", *[""] * 20)
    (pid,) = one.pids()
    assert {1} == set(one.book.finished_ids.values())
    assert {str(pid)} == {outcome.detail for outcome in one.book.outcomes.values()}
    children = psutil.Process(pid).children()
    one.until(lambda: all(child.status() == psutil.STATUS_ZOMBIE for child in children), PATIENCE)
    assert "came out of the task" in capfd.readouterr().err


def test_term_ends_what_a_task_has_forked_however_early_it_comes(one: Rig) -> None:
    """Before the new process has put itself in order, or just before it sleeps; multiprocessing sends it like that."""
    do(one, "term")
    assert str([-signal.SIGTERM] * 100) == one.book.outcomes[0].detail


def test_signals_of_the_whole_process_group_end_no_host(one: Rig) -> None:
    """Ctrl-C and a service manager's TERM: when hosts end is the supervisor's to say. USR1 tells the stacks."""
    (pid,) = one.pids()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE):
        os.kill(pid, number)
    do(one, "")
    assert [pid] == one.pids()


def test_a_host_that_a_task_ends_is_a_loss_of_that_task(one: Rig) -> None:
    """With the exit code; the others go to the next host."""
    do(one, "exit", "")
    assert "exit code 7" in one.book.losses[0].cause
    assert {1} == set(one.book.outcomes)


def test_a_handler_that_exits_ends_the_host_with_its_code(one: Rig) -> None:
    do(one, "handler")
    (pid,) = one.pids()
    os.kill(pid, signal.SIGTERM)
    one.until(lambda: one.pids() not in ([], [pid]), PATIENCE)
    do(one, "")


class Stuck(MainThreadPool):
    """Never comes to serve, once `stuck` is set."""

    stuck = True

    def runtime(self, slots: int) -> Any:
        while self.stuck:
            time.sleep(1)
        return OneByOne()


def test_a_host_that_does_not_get_ready_is_killed_and_the_pool_says_so() -> None:
    pool = Stuck()
    r = Rig(1, 1, pool=pool, spawn=Fork(pool, Executes(misbehave), patience=0.5))
    with pytest.raises(HostStartError, match=r"not ready.*0\.5 s"):
        r.start()
    r.close()


def test_a_later_host_that_does_not_get_ready_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """By one that may, however often it takes."""
    pool = Stuck()
    pool.stuck = False
    r = Rig(1, 1, pool=pool, spawn=Fork(pool, Executes(misbehave), patience=1.0)).start()
    pool.stuck = True
    (old,) = r.pids()
    os.kill(old, signal.SIGKILL)
    r.until(lambda: "not ready" in caplog.text, PATIENCE)
    pool.stuck = False
    do(r, "")
    r.close()


def test_an_exit_while_a_host_starts_is_told() -> None:
    class Leaving(MainThreadPool):
        def runtime(self, slots: int) -> Any:
            os._exit(9)

    pool = Leaving()
    r = Rig(1, 1, pool=pool, spawn=Fork(pool, Executes(misbehave)))
    with pytest.raises(HostStartError, match="exit code 9"):
        r.start()
    r.close()


BUSY = {
    "asleep": lambda: time.sleep(600),
    "in Python": lambda: [None for _ in iter(int, 1)],
    "in C, with the lock of the interpreter": lambda: ctypes.PyDLL(None).sleep(600),
    "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a host that runs Python notices")
@pytest.mark.parametrize("state", BUSY)
def test_a_host_ends_with_its_supervisor_whatever_it_does(state: str) -> None:
    """The supervisor is a process of its own here, and is killed."""

    reader, writer = os.pipe()

    def busy(one: Job) -> Outcome:
        os.write(writer, b"busy")
        BUSY[state]()
        return Outcome("SUCCESS")

    supervisor = os.fork()
    if supervisor == 0:
        try:
            r = Rig(2, 1, pool=MainThreadPool(), execute=busy)
            r.pool.start()
            os.write(writer, (" ".join(map(str, r.pids())) + " ").encode())
            r.pool.submit([job(1)])
            r.until(lambda: False, PATIENCE)
        finally:
            os._exit(1)
    os.close(writer)
    said = b""
    while not said.endswith(b"busy"):
        said += os.read(reader, 100) or pytest.fail("the supervisor has ended")
    os.close(reader)
    hosts = [int(pid) for pid in said.split()[:-1]]
    assert 2 == len(hosts)
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    end = time.monotonic() + PATIENCE
    while any(map(lives, hosts)):
        assert time.monotonic() < end
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process has not ended; whoever adopts it reaps it some time."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
