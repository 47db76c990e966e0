"""A project in a folder, and real `kernelq worker` processes that run its tasks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kernelq import KernelQ
from kernelq_testkit.waiting import patience

T = TypeVar("T")

TASKS = '''
import os, signal, threading, time
from kernelq import KernelQ

HERE = os.path.dirname(os.path.abspath(__file__))
URL = "sqlite:///" + os.path.join(HERE, "kernelq.db")
app = KernelQ("project", broker=URL, backend=URL)


def note(word, key):
    """One line, one write: it survives SIGKILL."""
    fd = os.open(os.path.join(HERE, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, f"{word} {key} {os.getpid()}\\n".encode())
    os.close(fd)


@app.task
def add(a, b):
    return a + b


@app.task
def work(key, seconds=0.0):
    note("start", key)
    time.sleep(seconds)
    note("end", key)
    return key


@app.task
def until_let_go(key):
    """Runs until the file of that name is there."""
    note("start", key)
    while not os.path.exists(os.path.join(HERE, key)):
        time.sleep(0.01)
    note("end", key)
    return key


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def third_time(self, key):
    note("start", key)
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    return self.request.retries


@app.task
def kill_host(key):
    note("start", key)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(acks_late=False)
def kill_host_early(key):
    note("start", key)
    os.kill(os.getpid(), signal.SIGKILL)

'''


class Project:
    """The folder, its app on the sending side, and the ledger that its tasks write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tasks.py").write_text(TASKS)
        url = f"sqlite:///{folder / 'kernelq.db'}"
        self.app = KernelQ("project", broker=url, backend=url)

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        """Send one of the project's tasks."""
        return self.app.send_task(f"tasks.{name}", args, **options)

    def ledger(self) -> list[tuple[str, str, int]]:
        """Return (word, key, pid) of each line."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "ledger").read_text().splitlines()
            return [(word, key, int(pid)) for word, key, pid in map(str.split, lines)]
        return []

    def counts(self, word: str) -> Counter[str]:
        """Return how often each key has this word."""
        return Counter(key for found, key, _ in self.ledger() if found == word)

    def pid_of(self, key: str) -> int:
        """Return the process in which a task has started, waiting for that."""
        wait_until(lambda: key in self.counts("start"), f"{key} to start")
        return next(pid for word, found, pid in self.ledger() if (word, found) == ("start", key))

    def let_go(self, key: str) -> None:
        """Let `until_let_go` end."""
        (self.folder / key).touch()

    def queue(self, name: str = "celery") -> Any:
        """Return the queue's counts."""
        return next((one for one in self.app.transport.admin().queues() if one.name == name), None)


class WorkerProcess:
    """A `kernelq worker` with its log."""

    def __init__(self, folder: Path, *arguments: str, name: str = "w1") -> None:
        command = [
            sys.executable,
            "-m",
            "kernelq.cli.main",
            "-A",
            "tasks",
            "worker",
            "-l",
            "INFO",
            "-n",
            f"{name}@test",
        ]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KERNELQ_")}
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str, timeout: float = 60.0, times: int = 1) -> str:
        """Wait until a line of the log has `text` for the nth time; return the log."""

        def seen() -> bool:
            return sum(text in line for line in self.lines) >= times or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(seen, patience(timeout))
        assert sum(text in line for line in self.lines) >= times, f"no {text!r} in:\n{self.log}"
        return self.log

    def ready(self) -> WorkerProcess:
        """Wait until it consumes."""
        self.wait_for("ready.")
        return self

    @property
    def log(self) -> str:
        """What it has written so far."""
        return "".join(self.lines)

    def signal(self, number: int) -> None:
        """Send a signal to the main process."""
        self.process.send_signal(number)

    def exit_code(self, timeout: float = 60.0) -> int:
        """Wait for its end."""
        try:
            return self.process.wait(patience(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.log}") from None

    def end(self) -> None:
        """End it and everything it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def wait_until(condition: Callable[[], T], what: str, timeout: float = 60.0) -> T:
    """Wait for something that another process does, and that gives no signal of its own; return it."""
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {timeout} seconds for {what}"
        threading.Event().wait(0.02)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project in a new folder."""
    made = Project(tmp_path)
    yield made
    made.app.close()


Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(project: Project) -> Iterator[Start]:
    """A function that starts a worker; all are ended after the test."""
    workers: list[WorkerProcess] = []

    def begin(*arguments: str, name: str = "w1") -> WorkerProcess:
        workers.append(WorkerProcess(project.folder, *arguments, name=name))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.end()


@pytest.fixture
def until() -> Callable[..., None]:
    """A function that waits for something that another process does."""
    return wait_until
