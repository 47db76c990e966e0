"""A template is there while hosts are wanted, whatever becomes of it; hosts that come of it are like all others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from kernelq_worker.hosts import template
from kernelq_worker.hosts.spawn import Fresh
from kernelq_worker.hosts.supervisor import HostStartError
from kernelq_worker.hosts.template import Template

from .conftest import Rig, job, stop
from .test_spawn import await_end

POOL = "kernelq_threads.pool:Threads"
APP = """
import os
from kernelq import KernelQ, hookimpl
HERE = os.path.dirname(os.path.abspath(__file__))
{first}
with open(HERE + "/imported", "a") as file:
    print(os.getpid(), file=file)
app = KernelQ("x", broker="sqlite:///" + HERE + "/q.db")
"""


class Made:
    """A supervisor whose hosts come of a template, with the app's folder."""

    def __init__(self, folder: Path, first: str, **options: Any) -> None:
        self.folder = folder
        self.module = folder / "kq_template_app.py"
        self.module.write_text(APP.format(first=first))
        self.template = Template(Fresh(POOL, "kq_template_app:app", "w@here"))
        self.rig = Rig(options.pop("hosts", 1), options.pop("slots", 2), spawn=self.template, **options)

    @property
    def imports(self) -> list[int]:
        """The processes that have imported the app."""
        return [int(word) for word in (self.folder / "imported").read_text().split()]

    def run(self, number: int) -> int:
        """Run a job; return the process of its host."""
        self.rig.pool.submit([job(number)])
        self.rig.until(lambda: number in self.rig.book.outcomes, 30)
        return self.rig.book.pids[number]

    def kill_host(self) -> None:
        """Kill the only host and wait until it is gone."""
        (pid,) = self.rig.pids()
        os.kill(pid, signal.SIGKILL)
        self.rig.until(lambda: pid not in self.rig.pids())

    def await_template(self, other_than: int | None) -> int:
        """Wait until there is another one; return its process id."""
        self.rig.until(lambda: self.template.ready and self.template.pid not in (None, other_than), 60)
        assert self.template.pid is not None
        return self.template.pid


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Made]]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[Made] = []

    def start(first: str = "", **options: Any) -> Made:
        made.append(Made(tmp_path, first, **options))
        made[-1].rig.start()
        return made[-1]

    yield start
    for one in made:
        one.rig.close()


def test_hosts_are_forked_from_it_and_are_the_supervisors_own(make: Callable[..., Made]) -> None:
    """The app is imported once, in a process that runs no job; each host is a child of the supervisor, and reaped."""
    m = make(hosts=3)
    assert [m.template.pid] == m.imports
    for pid in m.rig.pids():
        assert os.getpid() == psutil.Process(pid).ppid()
    first = m.run(1)
    os.kill(first, signal.SIGKILL)
    m.rig.until(lambda: first not in m.rig.pids() and len(m.rig.pids()) == 3)
    m.rig.until(lambda: not psutil.pid_exists(first))
    assert m.template.pid not in {m.run(number) for number in range(2, 20)}
    assert 1 == len(m.imports)


def test_how_a_host_of_it_ended_is_told(make: Callable[..., Made], caplog: pytest.LogCaptureFixture) -> None:
    m = make()
    m.run(1)
    (pid,) = m.rig.pids()
    m.kill_host()
    assert f"host {pid} ended (killed by SIGKILL)" in caplog.text


def test_hosts_live_on_when_it_is_killed_and_there_is_a_new_one(make: Callable[..., Made]) -> None:
    m = make()
    host, first = m.run(1), m.await_template(None)
    os.kill(first, signal.SIGKILL)
    second = m.await_template(first)
    assert host == m.run(2)
    m.kill_host()
    assert host != m.run(3)
    assert [first, second] == m.imports
    assert not psutil.pid_exists(first)


def test_one_that_is_stopped_is_replaced_before_a_host_is_wanted(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "LOOK", 0.2)
    m = make()
    first = m.await_template(None)
    stop(first)
    m.await_template(first)
    assert not psutil.pid_exists(first)


def test_one_that_does_not_answer_is_replaced_and_the_host_comes_of_the_next(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor waits for an answer no longer than it has said; nothing is left of the host that did not come."""
    monkeypatch.setattr(template, "LOOK", 600.0)
    m = make()
    m.run(1)
    open_before, first = len(os.listdir("/proc/self/fd")), m.await_template(None)
    stop(first)
    m.kill_host()
    m.run(2)
    assert first != m.template.pid
    assert open_before == len(os.listdir("/proc/self/fd"))
    assert {m.template.pid, *m.rig.pids()} == {child.pid for child in psutil.Process().children()}


def test_a_restart_brings_the_apps_present_code(make: Callable[..., Made]) -> None:
    m = make()
    host, first = m.run(1), m.await_template(None)
    m.module.write_text(APP.format(first="open(HERE + '/second', 'w').close()"))
    m.rig.pool.restart()
    m.rig.until(lambda: bool(m.rig.pids()) and host not in m.rig.pids(), 60)
    assert (m.folder / "second").exists()
    assert first != m.template.pid
    assert host != m.run(2)
    assert 2 == len(m.imports)


def test_code_that_cannot_be_imported_is_told_and_the_old_hosts_work_on(
    make: Callable[..., Made], caplog: pytest.LogCaptureFixture
) -> None:
    """Mended, it is loaded by a new template at the next restart."""
    m = make()
    host = m.run(1)
    m.module.write_text("import kq_no_such_module")
    m.rig.pool.restart()
    m.rig.until(lambda: "kq_no_such_module" in caplog.text, 60)
    assert host == m.run(2)
    m.module.write_text(APP.format(first=""))
    m.rig.pool.restart()
    m.rig.until(lambda: bool(m.rig.pids()) and host not in m.rig.pids(), 60)
    assert m.template.pid == m.imports[-1]


def test_another_is_tried_when_the_app_can_be_imported_again(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is just being installed, say: no restart is needed."""
    monkeypatch.setattr(template, "LOOK", 0.1)
    monkeypatch.setattr(template, "AGAIN", 0.2)
    m = make()
    m.run(1)
    m.module.write_text("import kq_no_such_module")
    first = m.await_template(None)
    os.kill(first, signal.SIGKILL)
    m.rig.until(lambda: m.template.ready and m.template.pid is None, 60)
    m.module.write_text(APP.format(first=""))
    m.rig.until(lambda: m.template.pid is not None and m.template.pid in m.imports, 60)
    assert m.await_template(first) == m.imports[-1]


def test_an_app_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    r = Rig(1, 1, spawn=Template(Fresh(POOL, "kq_no_such_module:app", "w@here")))
    with pytest.raises(HostStartError, match="kq_no_such_module"):
        r.start()
    r.close()


def test_an_app_that_starts_threads_when_it_is_imported_has_hosts_without_a_template(make: Callable[..., Made]) -> None:
    """A fork would copy the locks that they hold."""
    m = make("import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()")
    assert m.template.pid is None
    host = m.run(1)
    assert host == m.imports[-1]


def test_one_that_dies_at_its_start_again_and_again_is_done_without(make: Callable[..., Made]) -> None:
    """The count of imports in the app tells it: hosts get beyond those that killed themselves."""
    m = make(
        "import os, signal\n"
        "with open(HERE + '/starts', 'a') as file:\n    file.write('x')\n"
        f"if os.path.getsize(HERE + '/starts') <= {template.DEATHS + 1}:\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert m.template.pid is None
    assert m.run(1) == m.imports[-1]


def test_nothing_is_left_after_the_end(make: Callable[..., Made]) -> None:
    m = make(hosts=2)
    pids = [m.template.pid, *m.rig.pids()]
    m.rig.close()
    assert [] == [pid for pid in pids if pid is not None and psutil.pid_exists(pid)]


@pytest.mark.parametrize("state", ["idle", "stopped"])
def test_neither_it_nor_its_hosts_outlive_the_supervisor(tmp_path: Path, state: str) -> None:
    """A killed supervisor can tell them nothing; the kernel does."""
    (tmp_path / "kq_template_app.py").write_text(APP.format(first=""))
    script = f"""
        import sys, time
        sys.path[:] = {[str(tmp_path), str(Path(__file__).parent), *sys.path]!r}
        from conftest import Rig
        from kernelq_worker.hosts.spawn import Fresh
        from kernelq_worker.hosts.template import Template
        spawn = Template(Fresh({POOL!r}, "kq_template_app:app", "w@here"))
        r = Rig(2, 1, spawn=spawn).start()
        print(spawn.pid, *r.pids(), flush=True)
        time.sleep(600)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert 3 == len(pids)
    if state == "stopped":
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.communicate()
    for pid in pids:
        await_end(pid)
