"""`supervise` makes the hosts of a pool in the way that pool and settings ask for."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.contracts.pool import Layout
from kernelq.kernel.errors import ConfigurationError
from kernelq_threads import Threads
from kernelq_worker.hosts import supervise
from kernelq_worker.hosts.policy import HostPolicy
from kernelq_worker.loop import WorkerLoop

from .conftest import Book, job


@pytest.fixture
def made(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the pool threads, under a policy, for an app that can be imported as kq_supervised:app."""
    monkeypatch.syspath_prepend(str(tmp_path))
    url = f"sqlite:///{tmp_path}/q.db"
    (tmp_path / "kq_supervised.py").write_text(
        "import os, pathlib\nfrom kernelq import KernelQ\n"
        f"app = KernelQ('x', broker={url!r}, backend={url!r})\n"
        "pathlib.Path(__file__).with_name('importer').write_text(str(os.getpid()))\n"
    )
    loop, book = WorkerLoop(), Book()
    pools: list[Any] = []

    def make(policy: HostPolicy) -> Any:
        app = KernelQ("x", broker=url, backend=url)
        pools.append(supervise(app, Threads(), Layout(1, 2), loop, book, "celery@here", policy))
        pools[-1].submit([job(number) for number in range(10)])
        loop.run(until=lambda: book.seen == 10)
        return pools[-1].info()["processes"][0]

    yield make
    for pool in pools:
        pool.stop(time.monotonic())
    loop.close()


def test_hosts_are_forked(made: Any, tmp_path: Any) -> None:
    """They have the app from the worker."""
    host = made(HostPolicy(start_method="fork"))
    assert os.getpid() != host
    assert not (tmp_path / "importer").exists()


def test_hosts_are_new_interpreters_where_that_is_wanted(made: Any, tmp_path: Any) -> None:
    """The pool is the same, and runs the same jobs; the app is imported in the host."""
    host = made(HostPolicy(start_method="spawn", load="kq_supervised:app"))
    assert str(host) == (tmp_path / "importer").read_text()


def test_an_app_without_a_name_cannot_be_started_so(made: Any) -> None:
    with pytest.raises(ConfigurationError, match="type -A module:app"):
        made(HostPolicy(start_method="spawn"))
