"""Limits hold whatever a task does, and no host outlives its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernelq_worker.hosts.loss import LossKind

from .conftest import job, stop


def test_soft_limit_is_raised_in_the_task(rig):
    """The task past its soft limit sees the exception, its neighbour does not, and the host lives on."""
    r = rig(1, 2)
    gate = r.gate()
    r.pool.submit([job(1, str(r.gate()), soft=0.2), job(2, str(gate))])
    r.until(lambda: r.book.seen == 1)
    gate.open()
    r.until(lambda: r.book.seen == 2)
    assert "SoftTimeLimitExceeded" in r.book.outcomes[1].detail
    assert "SUCCESS" == r.book.outcomes[2].state
    assert 0 == r.pool.info()["replaced"]


def test_hard_limit_ends_a_host_of_one_slot(rig):
    """The task past its hard limit is lost with that cause, and the pool goes on."""
    r = rig(2, 1)
    gate = r.gate()
    r.pool.submit([job(1, str(r.gate()), hard=0.2), job(2, str(gate))])
    r.until(lambda: r.book.seen == 1)
    gate.open()
    r.until(lambda: r.book.seen == 2)
    assert r.book.losses[1].hard_limit
    assert "hard time limit of 0.2 s exceeded" == r.book.losses[1].cause
    assert "SUCCESS" == r.book.outcomes[2].state
    r.until(lambda: r.pool.free >= 2)


def test_hard_limit_in_a_host_of_many_slots_harms_nobody_else(rig):
    """The task is interrupted by what no task catches by accident; neighbour and host live on."""
    r = rig(1, 2)
    gate = r.gate()
    r.pool.submit([job(1, str(r.gate()), hard=0.2), job(2, str(gate))])
    r.until(lambda: r.book.seen == 1)
    gate.open()
    r.until(lambda: r.book.seen == 2)
    assert "TimeLimitInterrupt" in r.book.outcomes[1].detail
    assert "SUCCESS" == r.book.outcomes[2].state
    assert 0 == r.pool.info()["replaced"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["stubborn 60", "hold 60"])
def test_hard_limit_holds_whatever_a_task_does_in_a_host_of_many_slots(rig, what):
    """It goes on: a new host takes over what has not begun; then the old one is killed, its neighbour uncounted."""
    r = rig(1, 2)
    old = r.pids()
    r.pool.submit([job(2, str(r.gate()))])
    r.until(lambda: 2 in r.book.pids)
    r.pool.submit([job(1, what, hard=0.2), job(3), job(4)])
    r.until(lambda: r.pids() and r.pids() != old)
    assert {} == r.book.losses
    r.until(lambda: r.book.seen == 4)
    assert r.book.losses[1].hard_limit
    assert LossKind.NEIGHBOUR is r.book.losses[2].kind
    assert not r.book.losses[2].counted
    assert {3, 4} == set(r.book.outcomes)
    r.until(lambda: r.pool.free >= 2)


def test_hard_limit_holds_for_a_stopped_host(rig):
    """A host under SIGSTOP that has not even said that the job runs is ended in time."""
    r = rig(1, 1)
    stop(r.pids()[0])
    r.pool.submit([job(1, "", hard=0.3)])
    r.until(lambda: r.book.seen == 1)
    assert r.book.losses[1].hard_limit
    r.until(lambda: r.pool.free >= 1)


def test_limits_can_be_changed_while_a_job_runs(rig):
    r = rig(1, 1)
    r.pool.submit([job(1, str(r.gate())), job(2, "sleep 0.1")])
    r.until(lambda: 1 in r.book.pids)
    assert r.pool.set_limits(1, None, 0.1)
    assert r.pool.set_limits(2, None, 60.0)
    assert not r.pool.set_limits(3, None, 1.0)
    r.until(lambda: r.book.seen == 2)
    assert r.book.losses[1].hard_limit


def test_hosts_pass_over_the_signals_of_a_terminal(rig):
    """INT and TERM to the process group leave running jobs alone: the supervisor decides."""
    r = rig(1, 1)
    gate = r.gate()
    r.pool.submit([job(1, str(gate))])
    r.until(lambda: 1 in r.book.pids)
    os.kill(r.pids()[0], signal.SIGINT)
    os.kill(r.pids()[0], signal.SIGTERM)
    r.settle()
    gate.open()
    r.until(lambda: r.book.seen == 1)
    assert 1 in r.book.outcomes


def test_a_redelivered_job_does_not_wait_for_a_stopped_host_that_has_not_begun_it(rig):
    """It has been lost once, and is not to wait for the time after which a silent host is replaced."""
    r = rig(1, 1, stall_limit=600.0)
    (stopped,) = r.pids()
    stop(stopped)
    r.pool.submit([job(1, alone=True)])
    r.until(lambda: 1 in r.book.outcomes)
    assert stopped != r.book.pids[1]
    assert {} == r.book.losses


ORPHANS = """
import sys
sys.path.insert(0, {folder!r})
from conftest import Rig, job
r = Rig(3, 2).start()
r.pool.submit([job(n, "sleep 600") for n in range(5)])
r.until(lambda: len(r.book.pids) == 5)
print(*r.pids(), flush=True)
r.loop.run()
"""


def test_no_host_outlives_its_supervisor():
    """kill -9 of the supervisor: soon no host is left, busy or idle."""
    code = ORPHANS.format(folder=str(Path(__file__).parent))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    hosts = [int(pid) for pid in process.stdout.readline().split()]
    assert 3 == len(hosts)
    process.kill()
    process.wait()
    process.stdout.close()
    end = time.monotonic() + 10
    while any(_lives(pid) for pid in hosts):
        assert time.monotonic() < end, [pid for pid in hosts if _lives(pid)]
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
