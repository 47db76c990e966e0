"""Celery's workers rescue what KernelQ's had, where ``celery_rescues`` is on: real workers, killed and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processes
import pytest
import redis
from ledger import Ledger

from kernelq import KernelQ
from kernelq_testkit.waiting import patience

from .conftest import PEERS, REDIS

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(300)]

VISIBILITY = 6.0
"""Seconds after which Celery's workers take a message for lost, unless it is renewed."""
WORKERS = {
    "kernelq": ["-m", "kernelq", "-A", "rescue_kernelq", "worker", "-P", "prefork", "-c", "2"],
    "celery": ["-m", "celery", "-A", "rescue_celery", "worker", "-P", "threads", "-c", "4", "--without-mingle",
               "--without-gossip", "--without-heartbeat"],
}  # fmt: skip


AHEAD = ("worker_optimization=default", "worker_prefetch_multiplier=4")
"""Has hosts get tasks while others run."""


class Site:
    """A queue of the test's own on Redis, its workers of both kinds, and the ledger of what they do."""

    def __init__(self, folder: Path, client: redis.Redis) -> None:
        self.folder = folder
        self.queue = f"rescue-{uuid.uuid4().hex[:12]}"
        self.prefix = f"{self.queue}:"
        self.ledger = Ledger(folder / "ledger")
        self.client = client
        self.app = KernelQ("compat", broker=REDIS)
        self.app.conf.update(
            broker_transport_options={"global_keyprefix": self.prefix}, task_default_queue=self.queue
        )  # fmt: skip
        self._started: list[subprocess.Popen[bytes]] = []
        self._seen: set[int] = set()

    def start(self, kind: str, *more: str) -> subprocess.Popen[bytes]:
        """Start a worker of a kind, and wait until it is ready."""
        added = {
            "COMPAT_BROKER": REDIS,
            "COMPAT_PREFIX": self.prefix,
            "COMPAT_QUEUE": self.queue,
            "COMPAT_VISIBILITY": str(VISIBILITY),
            "COMPAT_FOLDER": str(self.folder),
            "PYTHONPATH": str(PEERS),
            "C_FORCE_ROOT": "1",
        }
        path = self.folder / f"{kind}{len(self._started)}.log"
        with path.open("wb") as log:
            command = [sys.executable, *WORKERS[kind], *more, "-l", "info"]
            environment = {**os.environ, **added}
            process = subprocess.Popen(
                command, cwd=PEERS, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(process)
        self.until(lambda: "ready." in path.read_text(errors="replace"), f"the {kind} worker")
        return process

    def send(self, name: str, *keys: str) -> None:
        """Send a task for each key."""
        self.app.send_many([self.app.signature(f"compat.{name}", args=(key,)) for key in keys])

    def let_go(self, *keys: str) -> None:
        """Let `until_let_go` end."""
        for key in keys:
            (self.folder / key).touch()

    def scores(self) -> dict[bytes, float]:
        """Return when each message in flight was taken, or renewed."""
        return dict(self.client.zrange(f"{self.prefix}unacked_index", 0, -1, withscores=True))

    def left(self) -> list[bytes]:
        """Return the keys of messages that are anywhere."""
        return [
            key
            for key in self.client.scan_iter(f"{self.prefix}*", count=10_000)
            if b"unacked" in key or b"kq:u:" in key or key.startswith(f"{self.prefix}{self.queue}".encode())
        ]

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker with its hosts at once, as the loss of its machine would."""
        self._seen.update(processes.children(worker.pid))
        os.killpg(worker.pid, signal.SIGKILL)
        processes.end([pid for pid in self._seen if processes.lives(pid)])
        worker.wait()

    def until(self, condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        """Wait for what other processes do."""
        began, timeout = time.monotonic(), patience(timeout)
        while not condition():
            assert time.monotonic() - began < timeout, f"waited {timeout} seconds for {what}\n{self.logs()}"
            threading.Event().wait(0.05)

    def logs(self) -> str:
        """Return the last lines of each worker's log."""
        found = sorted(self.folder.glob("*.log"))
        return "\n".join("\n".join([path.name, *path.read_text().splitlines()[-30:]]) for path in found)

    def close(self) -> None:
        """End whatever still runs, and delete the keys."""
        for process in self._started:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                self.kill(process)
        self.app.close()
        for key in self.client.scan_iter(f"{self.prefix}*", count=10_000):
            self.client.delete(key)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A queue of the test's own."""
    with redis.Redis.from_url(REDIS) as client:
        made = Site(tmp_path, client)
        yield made
        made.close()


def count(site: Site, word: str = "start") -> dict[str, int]:
    return dict(Counter(site.ledger.keys(word)))


def times(number: int, *keys: str) -> dict[str, int]:
    return dict.fromkeys(keys, number)


def test_a_celery_worker_runs_what_the_last_kernelq_worker_had(site: Site) -> None:
    """Given two tasks that run and some that its hosts have, each runs once, and once more where it had begun."""
    worker = site.start("kernelq", *AHEAD)
    running, ahead = ["r1", "r2"], [f"a{number}" for number in range(20)]
    site.send("until_let_go", *running)
    site.until(lambda: set(running) == set(site.ledger.keys("start")), "the tasks to run")
    site.send("work", *ahead)
    site.until(lambda: len(site.scores()) > len(running), "more to be taken than runs")
    site.kill(worker)

    site.let_go(*running)
    site.start("celery")
    site.until(lambda: set(running + ahead) <= set(site.ledger.keys("end")), "a Celery worker to run them")
    site.until(lambda: not site.scores(), "everything to be acknowledged")
    site.start("kernelq")
    site.until(lambda: not site.left(), "the next KernelQ worker to see that there is nothing left to give back")
    assert {**times(2, *running), **times(1, *ahead)} == count(site)


def test_nothing_doubles_while_both_kinds_live(site: Site) -> None:
    """Tasks of thrice the visibility timeout run once in KernelQ; when its worker is killed, both kinds look for them.

    A second KernelQ worker gives back what was left, or a Celery worker does; never both.
    """
    worker = site.start("kernelq")
    running = ["r1", "r2"]
    site.send("until_let_go", *running)
    site.until(lambda: set(running) == set(site.ledger.keys("start")), "the tasks to run")
    began = min(site.scores().values())
    site.start("celery")
    short = [f"s{number}" for number in range(50)]
    site.send("work", *short)
    site.until(lambda: set(short) <= set(site.ledger.keys("end")), "the short tasks")
    site.until(lambda: min(site.scores().values()) > began + 3 * VISIBILITY, "three visibility timeouts")
    assert times(1, *running, *short) == count(site)

    site.start("kernelq")
    site.kill(worker)
    site.let_go(*running)
    site.until(lambda: Counter(site.ledger.keys("end")) == Counter(running + short), "all tasks to end")
    site.until(lambda: not site.left(), "everything to be acknowledged")
    assert {**times(2, *running), **times(1, *short)} == count(site)


def test_a_worker_that_slept_for_too_long_leaves_its_tasks_to_celery(site: Site) -> None:
    """What it ran goes on and is not acknowledged twice; what it had not begun runs in the Celery worker alone."""
    worker = site.start("kernelq", *AHEAD)
    running, ahead = ["r1", "r2"], ["a1", "a2", "a3"]
    site.send("until_let_go", *running)
    site.until(lambda: set(running) == set(site.ledger.keys("start")), "the tasks to run")
    site.send("work", *ahead)
    site.until(lambda: len(site.scores()) == len(running + ahead), "the others to be taken")

    worker.send_signal(signal.SIGSTOP)
    site.start("celery")
    site.until(lambda: set(ahead) <= set(site.ledger.keys("end")), "a Celery worker to run them")
    worker.send_signal(signal.SIGCONT)
    site.until(lambda: "left to the other workers" in site.logs(), "the news")
    site.let_go(*running)
    site.until(lambda: Counter(site.ledger.keys("end")) == Counter(running * 2 + ahead), "all of them to end")
    site.until(lambda: not site.left(), "everything to be acknowledged")
    assert {**times(2, *running), **times(1, *ahead)} == count(site)


def test_what_a_celery_worker_left_is_celerys_to_rescue(site: Site) -> None:
    """A KernelQ worker leaves it where it is; the next Celery worker runs it."""
    left: Any = site.start("celery")
    site.send("until_let_go", "r1")
    site.until(lambda: ["r1"] == site.ledger.keys("start"), "the task to run")
    site.kill(left)
    site.let_go("r1")
    site.start("kernelq")
    taken = min(site.scores().values())
    site.until(lambda: site.client.time()[0] > taken + 2 * VISIBILITY, "two visibility timeouts")
    site.send("work", "probe")
    site.until(lambda: "probe" in site.ledger.keys("end"), "the KernelQ worker to work")
    assert times(1, "r1", "probe") == count(site)
    site.start("celery")
    site.until(lambda: {"r1", "probe"} == set(site.ledger.keys("end")), "a Celery worker to rescue it")
    assert {"r1": 2, "probe": 1} == count(site)
