"""A host that gives no sign of life is replaced; one that is slow, or stopped for a while, is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kernelq_testkit.executes import Executes
from kernelq_worker.hosts.loss import LossKind
from kernelq_worker.hosts.supervisor import HostStartError

from .conftest import IsolatedPool, Rig, ThreadPool, job, stop


@pytest.mark.parametrize("slots", [1, 3])
def test_a_stopped_idle_host_is_replaced(rig, slots):
    r = rig(2, slots, stall_limit=2.0)
    stopped, other = r.pids()
    stop(stopped)
    r.until(lambda: stopped not in r.pids() and len(r.pids()) == 2)
    assert other in r.pids()
    r.until(lambda: r.pool.free >= 2 * slots)


def test_what_a_stopped_host_runs_is_counted_and_what_it_has_not_begun_is_run_by_another(rig):
    """The cause is told; jobs that were sent ahead are no loss."""
    r = rig(1, 1, stall_limit=1.0, depth=4)
    r.pool.submit([job(1, str(r.gate())), job(2), job(3)])
    r.until(lambda: 1 in r.book.pids)
    stop(r.pids()[0])
    r.until(lambda: r.book.seen == 3)
    assert {2, 3} == set(r.book.outcomes)
    assert LossKind.CRASH is r.book.losses[1].kind
    assert "did not answer for 1 s" in r.book.losses[1].cause


def test_jobs_sent_to_a_stopped_host_are_no_loss(rig):
    """It has not taken them up: they run elsewhere, uncounted."""
    r = rig(1, 2, stall_limit=1.0)
    stop(r.pids()[0])
    r.pool.submit([job(1), job(2)])
    r.until(lambda: r.book.seen == 2)
    assert {1, 2} == set(r.book.outcomes)


def test_a_host_that_waits_with_the_lock_held_is_replaced(rig):
    """Nothing in it can run, and it uses no processor: it might as well be dead."""
    r = rig(1, 2, stall_limit=1.0)
    r.pool.submit([job(1, "hold 60")])
    r.until(lambda: r.book.seen == 1)
    assert LossKind.CRASH is r.book.losses[1].kind


def test_a_host_that_is_at_work_in_c_code_lives_on(rig):
    """It answers nothing for longer than the limit, and uses the processor."""
    r = rig(1, 1, stall_limit=1.0)
    host = r.pids()
    r.pool.submit([job(1, "hog 6e8")])
    r.until(lambda: r.book.seen == 1, 120)
    assert {1} == set(r.book.outcomes)
    assert host == r.pids()


@pytest.mark.slow
def test_the_other_slots_of_a_host_at_work_in_c_code_are_another_hosts(rig):
    """They cannot begin a task while one holds the lock; the one that does ends in peace."""
    r = rig(1, 2, stall_limit=1.0)
    host = r.pids()
    r.pool.submit([job(1, "hog 1e9")])
    r.until(lambda: r.pids() and r.pids() != host)
    r.pool.submit([job(2)])
    r.until(lambda: 2 in r.book.outcomes)
    assert 1 not in r.book.outcomes
    r.until(lambda: r.book.seen == 2, 240)
    assert {1, 2} == set(r.book.outcomes)
    assert host == [r.book.pids[1]]


def test_a_stop_that_is_shorter_than_the_limit_costs_nothing(rig):
    r = rig(1, 1, stall_limit=20.0)
    host = r.pids()
    stop(host[0])
    r.pool.submit([job(1)])
    r.loop.call_later(0.5, os.kill, host[0], signal.SIGCONT)
    r.until(lambda: r.book.seen == 1)
    assert {1} == set(r.book.outcomes)
    assert host == r.pids()


def test_idle_hosts_and_long_tasks_are_let_be(rig):
    """They answer, whatever the tasks do."""
    r = rig(2, 1, stall_limit=1.5)
    hosts = r.pids()
    r.pool.submit([job(1, "sleep 4")])
    r.until(lambda: r.book.seen == 1)
    assert hosts == r.pids()


STOPPED = """
import sys
sys.path.insert(0, {folder!r})
from conftest import Rig, job
r = Rig(2, 1, stall_limit=1.5).start()
print(*r.pids(), flush=True)
r.loop.add_reader(0, lambda: (input(), r.loop.stop()))
r.loop.run()
seen = len(r.book.outcomes)
r.pool.submit([job(n, "sleep 1.5") for n in range(4)])
r.until(lambda: len(r.book.outcomes) == 4)
print(*r.pids(), flush=True)
r.close()
"""


def test_a_worker_that_was_stopped_as_a_whole_judges_nobody():
    """Ctrl-Z, a frozen container: when all go on, no host has been silent."""
    code = STOPPED.format(folder=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    before = process.stdout.readline()
    os.killpg(process.pid, signal.SIGSTOP)
    threading.Event().wait(3.0)
    os.killpg(process.pid, signal.SIGCONT)
    process.stdin.write("\n")
    process.stdin.flush()
    after = process.stdout.readline()
    process.communicate(timeout=60)
    assert before == after != ""


class Late(IsolatedPool):
    """Its second host and those after it take for ever to start."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def runtime(self, slots: int):
        starts = len(self._path.read_text()) if self._path.exists() else 0
        self._path.write_text("x" * (starts + 1))
        if 1 <= starts <= 1:
            threading.Event().wait()
        return super().runtime(slots)


def test_a_host_that_does_not_get_ready_is_ended_and_another_started(rig, tmp_path, monkeypatch):
    from kernelq_worker.hosts.spawn import Fork

    from .conftest import execute

    pool = Late(tmp_path / "starts")
    r = rig(1, 1, pool=pool, spawn=Fork(pool, Executes(execute), 4.0), stall_limit=None)
    r.pool.submit([job(1, "die")])
    r.until(lambda: 1 in r.book.losses)
    r.pool.submit([job(2)])
    r.until(lambda: 2 in r.book.outcomes)
    assert 3 == len((tmp_path / "starts").read_text())


def test_a_pool_whose_hosts_do_not_get_ready_says_so(tmp_path):
    from kernelq_worker.hosts.spawn import Fork

    from .conftest import execute

    class Never(ThreadPool):
        def runtime(self, slots):
            threading.Event().wait()

    r = Rig(1, 1, spawn=Fork(Never(), Executes(execute), 0.5))
    with pytest.raises(HostStartError, match="not ready after 0.5 s"):
        r.start()
    r.close()
