"""Whole workers with the pool prefork: limits reach what waits, and tasks have processes of their own."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

MORE_TASKS = '''
import multiprocessing, socket, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
from kernelq.exceptions import SoftTimeLimitExceeded


@app.task
def wait_for_nothing(key):
    """Waits in one system call, for ever."""
    note("start", key)
    mine, theirs = socket.socketpair()
    mine.recv(1)


@app.task
def tidy(key):
    try:
        wait_for_nothing.run(key)
    except SoftTimeLimitExceeded:
        return "tidy"


@app.task
def program():
    return subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True).stdout.decode()


@app.task
def children():
    """Celery's prefork children may have none."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        return list(pool.map(abs, [-1, -2, -3]))


@app.task
def child_that_is_ended():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(20)
    return child.exitcode


@app.task
def identity():
    return os.getpid()
'''


@pytest.fixture
def prefork(project: Any, start: Any) -> Any:
    """A worker with two hosts, and tasks for them."""
    tasks = project.folder / "tasks.py"
    tasks.write_text(tasks.read_text() + MORE_TASKS)
    return start("-P", "prefork", "-c", "2").ready()


def test_a_soft_limit_interrupts_a_system_call(project: Any, prefork: Any) -> None:
    """The task can catch it and end well; where it does not, it has failed with it. The host stays."""
    tidy = project.send("tidy", "tidy", soft_time_limit=0.5)
    left = project.send("wait_for_nothing", "left", soft_time_limit=0.5)

    assert "tidy" == tidy.get(timeout=30)
    with pytest.raises(SoftTimeLimitExceeded):
        left.get(timeout=30)
    assert project.send("identity").get(timeout=30) in (project.pid_of("tidy"), project.pid_of("left"))


def test_a_hard_limit_replaces_the_host_and_harms_nobody(project: Any, prefork: Any) -> None:
    """What runs beside it goes on in its own host."""
    hard = project.send("wait_for_nothing", "hard", time_limit=0.5)
    beside = project.send("until_let_go", "beside")

    with pytest.raises(TimeLimitExceeded):
        hard.get(timeout=30)
    project.let_go("beside")
    assert "beside" == beside.get(timeout=30)
    assert 1 == project.counts("start")["beside"]


def test_tasks_may_start_processes(project: Any, prefork: Any) -> None:
    """Programs, pools of processes, and children that are ended by SIGTERM."""
    assert "42\n" == project.send("program").get(timeout=60)
    assert [1, 2, 3] == project.send("children").get(timeout=60)
    assert -15 == project.send("child_that_is_ended").get(timeout=60)


def test_many_soft_limits_in_a_row_lose_no_task(project: Any, prefork: Any) -> None:
    """Limits that race with the end of their tasks: each ends once, well or with the limit, in the first two hosts."""
    results = [project.send("work", f"w{n}", 0.1, soft_time_limit=0.1) for n in range(60)]

    states = set()
    for result in results:
        result.get(timeout=60, propagate=False)
        states.add(result.state)
    assert states <= {"SUCCESS", "FAILURE"}
    assert {1} == set(project.counts("start").values())
    assert 2 == len({pid for _, _, pid in project.ledger()})
