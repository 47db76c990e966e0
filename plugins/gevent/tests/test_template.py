"""Hosts are forked from a patched template: all that gevent does works in them, whatever was started before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from kernelq import KernelQ

PATIENCE = 30.0
APP = """
import asyncio, os, socket, subprocess, sys, threading, time
from kernelq import KernelQ
HERE = os.path.dirname(os.path.abspath(__file__))
URL = "sqlite:///" + HERE + "/q.db"
app = KernelQ("project", broker=URL, backend=URL)
with open(HERE + "/imported", "a") as file:
    print(os.getpid(), file=file)
{first}

@app.task
def all_of_gevent():
    began = time.monotonic()
    threads = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    address = socket.getaddrinfo("localhost", 80)
    done = subprocess.run([sys.executable, "-S", "-c", "print(6 * 7)"], capture_output=True, timeout=20)
    for thread in threads:
        thread.join()
    return [os.getpid(), bool(address), done.stdout.decode().strip(), time.monotonic() - began < 20]

@app.task
async def awaited():
    await asyncio.sleep(0.01)
    return os.getpid()
"""
AT_IMPORT = {
    "nothing": "",
    "a sleep": "time.sleep(0.01)",
    "a greenlet": "import gevent\nevent = gevent.event.Event()\ngevent.spawn(event.set)\nevent.wait()",
    "a program": "subprocess.run([sys.executable, '-S', '-c', ''], check=True)",
}


class Worker:
    def __init__(self, folder: Path, first: str) -> None:
        self.folder = folder
        (folder / "project.py").write_text(APP.format(first=first))
        url = f"sqlite:///{folder}/q.db"
        self.app = KernelQ("project", broker=url, backend=url)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KERNELQ_")}
        command = [sys.executable, "-m", "kernelq.cli.main", "-A", "project", "worker", "-P", "gevent", "-c", "4"]
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [*command, "-l", "INFO"], cwd=folder, env=environment, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip

    def call(self, name: str) -> Any:
        return self.app.send_task(f"project.{name}").get(timeout=PATIENCE)

    def imports(self) -> list[int]:
        """Return the processes that have imported the app, but the worker's main one."""
        pids = [int(word) for word in (self.folder / "imported").read_text().split()]
        return [pid for pid in pids if pid != self.process.pid]

    def stop(self) -> None:
        self.process.terminate()
        assert 0 == self.process.wait(PATIENCE)
        self.log.close()
        self.app.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[str], Worker]]:
    made: list[Worker] = []

    def start(first: str) -> Worker:
        made.append(Worker(tmp_path, first))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.mark.parametrize("first", AT_IMPORT)
def test_whatever_the_app_did_with_gevent_when_it_was_imported(worker: Callable[[str], Worker], first: str) -> None:
    """Greenlets, timers, programs, names and coroutines work in the first host and in one that replaces it."""
    w = worker(AT_IMPORT[first])
    pids = []
    for _ in range(2):
        pid, *seen = w.call("all_of_gevent")
        assert [True, "42", True] == seen
        assert pid == w.call("awaited")
        os.kill(pid, signal.SIGKILL)
        pids.append(pid)
    assert pids[0] != pids[1]
    (template,) = w.imports()
    assert template not in pids
    assert psutil.Process(template).is_running()


def test_native_threads_are_not_copied(worker: Callable[[str], Worker]) -> None:
    """A name that was looked up when the app was imported leaves threads of gevent's: hosts are started without."""
    w = worker("socket.getaddrinfo('localhost', 80)")
    pid, *seen = w.call("all_of_gevent")
    assert [True, "42", True] == seen
    assert pid in w.imports()
