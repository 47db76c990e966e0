"""A host can be a new interpreter, which imports the app itself."""

from __future__ import annotations

import os

import pytest

from kernelq_worker.hosts.spawn import Fresh
from kernelq_worker.hosts.supervisor import HostStartError

from .conftest import Rig, job

POOL = "kernelq_threads.pool:Threads"


def test_a_fresh_host_runs_jobs(tmp_path, monkeypatch):
    """It answers for each job, from a process of its own, and ends when it is told."""
    (tmp_path / "kq_fresh_app.py").write_text(
        f"from kernelq import KernelQ\napp = KernelQ('x', broker='sqlite:///{tmp_path}/q.db')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    r = Rig(1, 2, spawn=Fresh(POOL, "kq_fresh_app:app", "celery@here"))
    r.start()
    r.pool.submit([job(number) for number in range(50)])
    r.until(lambda: r.book.seen == 50)
    assert 50 == len(r.book.outcomes)
    assert {r.pids()[0]} == set(r.book.pids.values())
    assert os.getpid() not in r.book.pids.values()
    r.close()


def test_a_fresh_host_that_finds_no_app_says_so():
    r = Rig(1, 1, spawn=Fresh(POOL, "kq_no_such_module:app", "celery@here"))
    with pytest.raises(HostStartError, match="kq_no_such_module"):
        r.start()
    r.close()
