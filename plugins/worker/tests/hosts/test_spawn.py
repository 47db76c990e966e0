"""Hosts that are forked and hosts that are new interpreters are alike to the app and to whoever looks at them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from kernelq import KernelQ
from kernelq_worker.hosts.spawn import Fresh
from kernelq_worker.hosts.supervisor import HostStartError

from .conftest import Rig, job

PATIENCE = 60.0
POOL = "kernelq_threads.pool:Threads"
METHODS = ("fork", "spawn")
APP = '''
import json, logging, multiprocessing, os, signal, sys, threading
from kernelq import KernelQ, hookimpl
HERE = os.path.dirname(os.path.abspath(__file__))
app = KernelQ("project", broker="sqlite:///" + HERE + "/wrong.db", backend="sqlite:///" + HERE + "/wrong.db")

class Diary:
    """Notes each hook with the process it was told in."""

    def note(self, what):
        fd = os.open(HERE + "/diary", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(fd, f"{what} {os.getpid()}\\n".encode())
        os.close(fd)

    @hookimpl
    def worker_before_create_process(self):
        self.note("before")

    @hookimpl
    def worker_process_init(self):
        self.note("init")

    @hookimpl
    def worker_process_shutdown(self):
        self.note("shutdown")

app.register(Diary())

@app.task
def look():
    logging.getLogger("project").warning("a task looks")
    conf = app.conf
    return {
        "pid": os.getpid(), "cwd": os.getcwd(), "path": sys.path, "argv": sys.argv,
        "broker": conf.broker_url, "expires": conf.result_expires, "source": conf.source("result_expires"),
        "variable": os.environ.get("PROJECT"), "own": os.environ.get("KERNELQ_HOST"),
        "flags": [sys.flags.dev_mode, sys.flags.optimize],
    }
'''


class Worker:
    """A `kernelq worker` of one host and one slot."""

    exit_code = 0

    def __init__(self, folder: Path, *arguments: str, method: str, python: tuple[str, ...] = ()) -> None:
        self.folder = folder
        url = f"sqlite:///{folder}/kernelq.db?password=geheim"
        self.app = KernelQ("project", broker=url, backend=url)
        (folder / "project.py").write_text(APP)
        command = [
            sys.executable, *python, "-m", "kernelq.cli.main", "-A", "project", "-b", url, "--result-backend", url,
            "worker", "-P", "threads", "-c", "1", "-l", "INFO", "-f", str(folder / "log"), "-n", "w@here",
            f"worker_start_method={method}", "result_expires=77", *arguments,
        ]  # fmt: skip
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KERNELQ_")}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "PROJECT": "yes"},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def hosts(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def look(self) -> dict[str, Any]:
        """Return what a task of the worker sees."""
        found: dict[str, Any] = self.app.send_task("project.look").get(timeout=PATIENCE)
        return found

    def diary(self) -> list[str]:
        return (self.folder / "diary").read_text().splitlines()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        assert self.exit_code == self.process.wait(PATIENCE)
        self.app.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def start(*arguments: str, **options: Any) -> Worker:
        made.append(Worker(tmp_path, *arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.mark.parametrize("method", METHODS)
def test_what_was_set_for_the_worker_holds_in_its_hosts(worker: Callable[..., Worker], method: str) -> None:
    """Settings of the command line, with their source; the folder, the path, the environment, Python's options."""
    w = worker(method=method, python=("-X", "dev", "-O", "-W", "ignore"))
    seen = w.look()
    assert (77, "command line") == (seen["expires"], seen["source"])
    assert "geheim" in seen["broker"]
    assert str(w.folder) == seen["cwd"]
    assert {str(w.folder), *filter(None, sys.path)} & set(seen["path"])
    assert ("yes", None) == (seen["variable"], seen["own"])
    assert [True, 1] == seen["flags"]
    assert "worker" in seen["argv"]
    assert w.hosts()[0].pid == seen["pid"]


@pytest.mark.parametrize("method", METHODS)
def test_a_tasks_log_lines_look_alike(worker: Callable[..., Worker], method: str) -> None:
    """In the worker's file and format, with the host's name, and the task's."""
    w = worker(method=method)
    w.look()
    (line,) = [line for line in (w.folder / "log").read_text().splitlines() if "a task looks" in line]
    assert "WARNING/threads-1] project.look[" in line


@pytest.mark.parametrize("method", METHODS)
def test_titles_tell_the_node_and_no_password(worker: Callable[..., Worker], method: str) -> None:
    """Neither does the command line of any process, nor the environment of a host."""
    w = worker(method=method)
    w.look()
    supervisor = psutil.Process(w.process.pid)
    (host,) = w.hosts()
    assert ("[kernelqd: w@here:MainProcess] -active-", "kernelqd") == (
        " ".join(supervisor.cmdline()).strip(),
        supervisor.name(),
    )
    assert ("[kernelqd: w@here:threads-1]", "kernelq-host") == (" ".join(host.cmdline()).strip(), host.name())
    for process in (supervisor, host):
        for part in ("cmdline", "environ"):
            assert b"geheim" not in Path(f"/proc/{process.pid}/{part}").read_bytes()


@pytest.mark.parametrize("method", METHODS)
def test_hooks_are_told_alike(worker: Callable[..., Worker], method: str) -> None:
    """Before each start in the supervisor, then in the host when it begins and ends; also for one that is replaced."""
    w = worker(method=method)
    first = w.look()["pid"]
    os.kill(first, signal.SIGKILL)
    second = w.look()["pid"]
    w.stop()
    supervisor = w.process.pid
    assert [
        f"before {supervisor}", f"init {first}", f"before {supervisor}", f"init {second}", f"shutdown {second}"
    ] == w.diary()  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_no_host_has_a_socket_or_a_file_of_the_supervisor(worker: Callable[..., Worker], method: str) -> None:
    """One socket each: its own; no broker's, no store's, no lease's; also in one started while the worker consumes."""
    w = worker(method=method)
    first = w.look()["pid"]
    assert [1, []] == _foreign(first, w.folder)
    os.kill(first, signal.SIGKILL)
    second = w.look()["pid"]
    assert [1, []] == _foreign(second, w.folder)


def _foreign(pid: int, folder: Path) -> list[Any]:
    open_on = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            open_on.append(os.readlink(link))
        except FileNotFoundError:
            continue
    files = [name for name in open_on if name.startswith(str(folder)) and Path(name).name != "log"]
    return [len([name for name in open_on if name.startswith("socket:")]), files]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("state", ["idle", "stopped"])
def test_no_host_outlives_its_supervisor(worker: Callable[..., Worker], method: str, state: str) -> None:
    """A killed supervisor can tell them nothing; the kernel does."""
    w = worker(method=method)
    w.look()
    (host,) = w.hosts()
    if state == "stopped":
        host.suspend()
    w.process.kill()
    w.process.wait()
    await_end(host.pid)
    w.exit_code = -signal.SIGKILL


def await_end(pid: int) -> None:
    """Wait until a process has ended. Whoever adopts it reaps it some time."""
    end = time.monotonic() + PATIENCE
    while psutil.pid_exists(pid):
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return
        assert time.monotonic() < end, f"{pid} lives on"
        time.sleep(0.02)


def test_a_fresh_host_that_cannot_import_the_app_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked for and what was raised, in the error of the pool's start; also where the import exits."""
    (tmp_path / "kq_leaving.py").write_text("import sys\nsys.exit('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for load, said in (("kq_absent:app", "kq_absent"), ("kq_leaving:app", "no licence")):
        r = Rig(1, 1, spawn=Fresh(POOL, load, "w@here"))
        with pytest.raises(HostStartError, match=said):
            r.start()
        r.close()


def test_settings_that_cannot_be_pickled_are_the_apps_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lambda among the routes crosses to no new interpreter, and need not: the app's module makes it there too."""
    (tmp_path / "kq_routes.py").write_text(
        "from kernelq import KernelQ\n"
        f"app = KernelQ('x', broker='sqlite:///{tmp_path}/q.db', task_routes=lambda *given: 'there')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    app = KernelQ("x", broker=f"sqlite:///{tmp_path}/q.db", task_routes=lambda *given: "here")
    r = Rig(1, 1, spawn=Fresh(POOL, "kq_routes:app", "w@here", app=app)).start()
    r.pool.submit([job(1)])
    r.until(lambda: r.book.seen == 1)
    r.close()


def test_hosts_start_without_spare_descriptors(tmp_path: Path) -> None:
    """A low limit of open files is no hindrance."""
    (tmp_path / "kq_few.py").write_text(
        f"from kernelq import KernelQ\napp = KernelQ('x', broker='sqlite:///{tmp_path}/q.db')\n"
    )
    script = f"""
        import resource, sys
        sys.path[:] = {json.dumps([str(tmp_path), os.path.dirname(__file__), *sys.path])}
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        from kernelq_worker.hosts.spawn import Fresh
        from hosts.conftest import Rig, job
        r = Rig(1, 1, spawn=Fresh({POOL!r}, "kq_few:app", "w@here")).start()
        r.pool.submit([job(1)])
        r.until(lambda: r.book.seen == 1)
        r.close()
    """.replace("from hosts.conftest", "from conftest")
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_a_supervisor_that_dies_while_hosts_start_leaves_none(tmp_path: Path) -> None:
    """Whatever line the host is at: it looks for its parent once the kernel has been told to end it with that."""
    script = f"""
        import os, signal, socket, sys
        sys.path[:] = {json.dumps(sys.path)}
        from kernelq_worker.hosts.marks import Marks
        from kernelq_worker.hosts.spawn import Fresh
        ours, theirs = socket.socketpair()
        print(Fresh({POOL!r}, "nowhere:app", "w@here")(theirs, Marks(1), 1, lambda: None), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, check=False)
    await_end(int(done.stdout))


def test_a_handler_that_the_apps_module_sets_ends_no_fresh_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TERM to the whole process group is the supervisor's to hear."""
    (tmp_path / "kq_handler.py").write_text(
        "import signal, sys\nfrom kernelq import KernelQ\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(3))\n"
        f"app = KernelQ('x', broker='sqlite:///{tmp_path}/q.db')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    r = Rig(1, 1, spawn=Fresh(POOL, "kq_handler:app", "w@here")).start()
    (pid,) = r.pids()
    os.kill(pid, signal.SIGTERM)
    r.pool.submit([job(1)])
    r.until(lambda: r.book.seen == 1)
    assert [pid] == r.pids()
    r.close()
