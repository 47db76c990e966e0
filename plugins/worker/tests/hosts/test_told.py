"""The hooks of a host's life are told in the process that they are about."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from kernelq import KernelQ, hookimpl
from kernelq.outcome import Outcome
from kernelq_testkit.executes import Executes
from kernelq_worker.hosts.inline import InlineSupervisor
from kernelq_worker.hosts.spawn import Fork, Fresh
from kernelq_worker.loop import WorkerLoop

from .conftest import Book, Rig, ThreadPool, execute, job


class Diary:
    """Writes down which hook was told in which process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, what: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{what} {os.getpid()}\n")

    def lines(self) -> list[str]:
        return self._path.read_text().splitlines()

    @hookimpl
    def worker_before_create_process(self, sender: KernelQ) -> None:
        self.note(f"before {sender.main}")

    @hookimpl
    def worker_process_init(self) -> None:
        self.note("init")

    @hookimpl
    def worker_process_shutdown(self, pid: int, exitcode: int) -> None:
        assert os.getpid() == pid
        self.note(f"shutdown {exitcode}")


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def app(diary: Diary) -> KernelQ:
    made = KernelQ("shop", broker="memory://", backend="memory://")
    made.register(diary)
    return made


def test_a_forked_host_is_told_of_before_and_tells_of_its_life_itself(app: KernelQ, diary: Diary) -> None:
    """What was opened before the fork can be closed; what a task needs is opened before the first."""

    def noting(one: Any) -> Outcome:
        diary.note("task")
        return execute(one)

    r = Rig(1, 1, spawn=Fork(ThreadPool(), Executes(noting), app=app)).start()
    host = r.pids()[0]
    r.pool.submit([job(1)])
    r.until(lambda: r.book.seen == 1)
    r.close()

    assert [f"before shop {os.getpid()}", f"init {host}", f"task {host}", f"shutdown 0 {host}"] == diary.lines()


def test_a_hook_that_raises_stops_no_host(app: KernelQ, diary: Diary) -> None:
    """It is logged by its name, as every event is."""

    class Bad:
        @hookimpl
        def worker_process_init(self) -> None:
            raise OSError("no such server")

    app.register(Bad())
    r = Rig(1, 1, spawn=Fork(ThreadPool(), Executes(execute), app=app)).start()
    r.pool.submit([job(1)])
    r.until(lambda: r.book.seen == 1)
    r.close()

    assert {1} == set(r.book.outcomes)
    assert ["before", "init", "shutdown"] == [line.split()[0] for line in diary.lines()]


def test_a_fresh_host_tells_the_hooks_of_the_app_that_it_imports(
    tmp_path: Path, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was shared with it, so nothing is told before."""
    (tmp_path / "kq_told_app.py").write_text(
        "import os, pathlib\nfrom kernelq import KernelQ, hookimpl\n"
        f"app = KernelQ('x', broker='sqlite:///{tmp_path}/q.db')\n"
        "class Plugin:\n    @hookimpl\n    def worker_process_init(self):\n"
        f"        pathlib.Path({str(tmp_path / 'diary')!r}).write_text(f'init {{os.getpid()}}')\n"
        "app.register(Plugin())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    r = Rig(1, 1, spawn=Fresh("kernelq_threads.pool:Threads", "kq_told_app:app", "celery@here")).start()
    host = r.pids()[0]
    r.pool.submit([job(1)])
    r.until(lambda: r.book.seen == 1)
    r.close()

    assert [f"init {host}"] == diary.lines()


def test_the_pool_without_hosts_tells_of_itself_once(app: KernelQ, diary: Diary) -> None:
    """The supervisor is the host there."""
    loop = WorkerLoop()
    pool = InlineSupervisor("solo", loop, Book(), Executes(execute), app.hooks)
    pool.stop(time.monotonic())
    pool.stop(time.monotonic())
    loop.close()

    assert [f"init {os.getpid()}", f"shutdown 0 {os.getpid()}"] == diary.lines()
