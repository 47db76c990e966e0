"""As many hosts as are wanted, through restarts, changes of size and failing starts."""

from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path

import pytest

from kernelq_worker.hosts import fleet
from kernelq_worker.hosts.spawn import Fork

from .conftest import IsolatedPool, ThreadPool, execute, job


class Slow(IsolatedPool):
    """Its hosts take a while to start."""

    def runtime(self, slots):
        threading.Event().wait(0.3)
        return super().runtime(slots)


class SlowThreads(ThreadPool):
    """Likewise."""

    def runtime(self, slots):
        threading.Event().wait(0.3)
        return super().runtime(slots)


@pytest.mark.parametrize(("hosts", "slots", "pool"), [(2, 1, Slow), (1, 3, SlowThreads)])
def test_restart_leaves_no_gap(rig, hosts, slots, pool):
    """A new host is ready before an old one goes: at no time is there less room for jobs."""
    r = rig(hosts, slots, pool=pool())
    before, least = set(r.pids()), hosts * slots

    def done() -> bool:
        nonlocal least
        least = min(least, r.pool.free)
        return not before & set(r.pids()) and len(r.pool.info()["hosts"]) == hosts

    r.pool.restart()
    r.until(done)
    assert hosts * slots == least == r.pool.free


def test_restart_lets_running_jobs_end_in_the_old_hosts(rig):
    """They count against the concurrency."""
    r = rig(2, 1)
    before = set(r.pids())
    gate = r.gate()
    r.pool.submit([job(1, str(gate)), job(2, str(gate)), job(3, str(gate))])
    r.until(lambda: len(r.book.pids) == 2)
    r.pool.restart()
    r.until(lambda: not before & set(r.pids()))
    r.settle()
    assert 3 not in r.book.pids
    gate.open()
    r.until(lambda: r.book.seen == 3 and r.pool.free >= 2)
    assert {1, 2, 3} == set(r.book.outcomes)
    assert before == {r.book.pids[1], r.book.pids[2]}


def test_old_hosts_work_on_while_new_ones_cannot_start(rig, tmp_path):
    """A restart that brings nothing up takes nothing down."""
    broken = tmp_path / "broken"

    class Breakable(IsolatedPool):
        def runtime(self, slots):
            if broken.exists():
                raise ImportError("no module named nonesuch")
            return super().runtime(slots)

    r = rig(1, 1, pool=Breakable())
    before = r.pids()
    broken.touch()
    r.pool.restart()
    r.until(lambda: r.pool.info()["replaced"] >= 2)
    r.pool.submit([job(1)])
    r.until(lambda: r.book.seen == 1)
    assert before == [r.book.pids[1]]
    broken.unlink()
    r.until(lambda: r.pids() and before[0] not in r.pids() and r.pool.free >= 1)


def test_a_restart_waits_for_no_delay(rig, tmp_path, monkeypatch):
    """What kept hosts from starting may just have been mended."""
    monkeypatch.setattr(fleet, "FIRST_DELAY", 600.0)
    monkeypatch.setattr(fleet, "LONGEST_DELAY", 600.0)
    broken = tmp_path / "broken"

    class Breakable(IsolatedPool):
        def runtime(self, slots):
            if broken.exists():
                raise ImportError("no module named nonesuch")
            return super().runtime(slots)

    r = rig(1, 1, pool=Breakable())
    before = r.pids()
    broken.touch()
    r.pool.restart()
    r.until(lambda: r.pool.info()["replaced"] == 1)
    broken.unlink()

    r.pool.restart()

    r.until(lambda: r.pids() and before[0] not in r.pids() and r.pool.free >= 1)


def test_growing_a_host_of_many_slots_leaves_no_gap(rig):
    """The larger host takes over when it is ready; what runs in the smaller one ends there."""
    r = rig(1, 2, pool=SlowThreads())
    gate = r.gate()
    r.pool.submit([job(1, str(gate))])
    r.until(lambda: 1 in r.book.pids)
    small = r.pids()
    assert 4 == r.pool.grow(2)
    r.pool.submit([job(2)])
    r.until(lambda: 2 in r.book.outcomes)
    assert small == [r.book.pids[2]]
    r.until(lambda: r.pids() and small[0] not in r.pids() and r.pool.free >= 3)
    gate.open()
    r.until(lambda: 1 in r.book.outcomes and r.pool.free >= 4)


def test_growing_by_one_again_and_again_replaces_few_hosts(rig):
    """A larger host has slots to spare, which are used when they are wanted and not before."""
    r = rig(1, 1, pool=ThreadPool())
    seen = set(r.pids())
    for wanted in range(2, 9):
        assert wanted == r.pool.grow(1)
        r.until(lambda at=wanted: r.pool.free == at and len(r.pids()) == 1)
        seen |= set(r.pids())
    assert 4 >= len(seen)
    r.pool.shrink(5)
    gate = r.gate()
    r.pool.submit([job(number, str(gate)) for number in range(6)])
    r.until(lambda: len(r.book.pids) == 3)
    assert 0 == r.pool.free
    r.settle()
    assert 3 == len(r.book.pids)
    gate.open()
    r.until(lambda: r.book.seen == 6)
    assert 6 == len(r.book.outcomes)


def test_a_size_that_is_taken_back_before_its_hosts_are_ready_is_kept(rig):
    r = rig(1, 1, pool=Slow())
    assert 4 == r.pool.grow(3)
    assert 1 == r.pool.shrink(3)
    r.until(lambda: len(r.pool.info()["hosts"]) == 1 and r.pool.free >= 1)


class Poor(Fork):
    """Forks, when there are processes to be had."""

    refusals = 0

    def __call__(self, *args):
        if Poor.refusals > 0:
            Poor.refusals -= 1
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return super().__call__(*args)


def test_a_start_that_the_system_refuses_is_tried_again(rig, caplog):
    """No process to be had, no memory: the pool says so, and fills up when there is."""
    r = rig(2, 1, spawn=Poor(IsolatedPool(), execute))
    open_before = len(os.listdir("/proc/self/fd"))
    Poor.refusals = 3
    for pid in r.pids():
        os.kill(pid, signal.SIGKILL)
    r.until(lambda: r.pool.free >= 2 and Poor.refusals == 0)
    assert os.strerror(errno.EAGAIN) in caplog.text
    assert "the next host is started in 0.4 s" in caplog.text
    assert open_before == len(os.listdir("/proc/self/fd"))


def test_hosts_that_end_at_their_start_are_started_with_growing_delay(rig, tmp_path, caplog):
    """And without it again, once one has run a job."""
    starts = tmp_path / "starts"

    class Sick(IsolatedPool):
        def runtime(self, slots):
            count = len(starts.read_text()) if starts.exists() else 0
            Path(starts).write_text("x" * (count + 1))
            if 1 <= count <= 3:
                os._exit(5)
            return super().runtime(slots)

    r = rig(1, 1, pool=Sick())
    r.pool.submit([job(1, "die")])
    r.until(lambda: 1 in r.book.losses)
    r.pool.submit([job(2)])
    r.until(lambda: 2 in r.book.outcomes)
    assert ["0.1", "0.2", "0.4"] == [
        record.message.split(" s ")[0].rsplit(" ", 1)[1] for record in caplog.records if "next host" in record.message
    ]
    assert "exit code 5" in caplog.text
    caplog.clear()
    r.pool.submit([job(3, "die")])
    r.until(lambda: 3 in r.book.losses and r.pool.free >= 1)
    assert "the next host" not in caplog.text


def test_restarts_that_follow_each_other_do_not_pile_up(rig):
    """A host that is not ready yet is of no use when the next restart comes."""
    r = rig(2, 1, pool=Slow())
    for _ in range(5):
        r.pool.restart()
    before = set(r.pids())
    assert 4 == len(before)
    r.until(lambda: r.pool.free >= 2 and len(r.pool.info()["hosts"]) == 2)
    assert 2 == len(set(r.pids()) & before)
