"""The end of a host is noticed, and costs what it ran, on every system."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .conftest import job, stop


@pytest.fixture(autouse=True, params=["pidfd", "no pidfd"])
def system(request, monkeypatch):
    """Without process descriptors, as on systems other than Linux, hosts are polled when they hang up."""
    if request.param == "no pidfd":
        monkeypatch.setattr("kernelq_worker.hosts.host._pidfd", lambda pid: None)


def test_a_killed_host_is_replaced(rig):
    r = rig(2, 1)
    gate = r.gate()
    r.pool.submit([job(1, str(r.gate())), job(2, str(gate))])
    r.until(lambda: len(r.book.pids) == 2)
    os.kill(r.book.pids[1], signal.SIGKILL)
    r.until(lambda: 1 in r.book.losses)
    gate.open()
    r.until(lambda: r.book.seen == 2)
    assert {1} == set(r.book.losses)
    assert {2} == set(r.book.outcomes)
    r.until(lambda: r.pool.free >= 2)


def test_hosts_that_retire_are_reaped(rig):
    r = rig(2, 1)
    before = r.pids()
    r.pool.restart()
    r.until(lambda: not set(before) & {host["pid"] for host in r.pool.info()["hosts"]})
    for pid in before:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_stop_leaves_no_process(rig):
    """Whether idle, busy or stopped."""
    r = rig(3, 1)
    hosts = r.pids()
    r.pool.submit([job(1, str(r.gate()))])
    r.until(lambda: 1 in r.book.pids)
    idle = next(pid for pid in hosts if pid != r.book.pids[1])
    stop(idle)
    r.pool.stop(time.monotonic() + 0.1)
    assert {1} == set(r.book.losses)
    for pid in hosts:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
