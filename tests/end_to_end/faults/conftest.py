"""Workers that are hurt on purpose, in every pool that is installed, at the scale that is asked for.

``KERNELQ_TEST_SCALE=full``, which is what `nox -s chaos` sets, takes the figures and the bounds that are promised;
otherwise there is less of everything, and bounds have room for a machine that others load.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import attrs
import brokers
import fault_tasks
import processes
import pytest
from ledger import Ledger, Tally

from kernelq import KernelQ
from kernelq.kernel.discovery import Discovery
from kernelq_testkit.faultproxy import FaultProxy
from kernelq_testkit.waiting import patience

STORE = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
"""Where results are that are kept apart from the broker."""
POOLS = [name for name in Discovery().names("kernelq.pools") if name != "solo"]
"""The pools whose tasks run in other processes."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes `pool` in each of them."""
    if "pool" in metafunc.fixturenames:
        metafunc.parametrize("pool", POOLS)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures of all tests as a table."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    rows = [(report.nodeid.rpartition("::")[2], *pair) for report in reports for pair in report.user_properties]
    if rows:
        terminalreporter.section("figures")
    for name, what, value in sorted(rows):
        terminalreporter.write_line(f"{name:60}  {what:28}  {value}")


@attrs.frozen
class Scale:
    """How much, and how strictly."""

    full: bool

    def count(self, full: int, small: int) -> int:
        """Return how many."""
        return full if self.full else small

    def bound(self, seconds: float) -> float:
        """Return the seconds that are promised, or with room for a loaded machine."""
        return seconds if self.full else seconds * 3 + 10


@pytest.fixture(scope="session")
def scale() -> Scale:
    """The scale that the environment asks for."""
    return Scale(os.environ.get("KERNELQ_TEST_SCALE") == "full")


class Scene:
    """A project in a folder with its queue, its workers, its ledger, and what was sent and hurt."""

    def __init__(self, folder: Path, settings: dict[str, Any] | None = None) -> None:
        self.folder = folder
        (folder / "tasks.py").write_text(fault_tasks.SOURCE)
        url = f"sqlite:///{folder / 'kernelq.db'}"
        settings = settings or {"broker_url": url, "result_backend": url}
        (folder / "settings.json").write_text(json.dumps(settings))
        self.app = KernelQ("project", **settings)
        self.ledger = Ledger(folder / "ledger")
        self.attempted = 0
        self.accepted: dict[str, Any] = {}
        self.hurt: dict[int, float] = {}
        self._workers: list[subprocess.Popen[bytes]] = []
        self._seen: set[int] = set()
        self._host = f"test-{uuid4().hex[:8]}"  # workers of other tests may be on the same broker

    # -- tasks

    def send(self, name: str, key: str, *args: Any, **options: Any) -> Any:
        """Send one task; it counts as accepted once that has returned."""
        self.attempted += 1
        result = self.app.send_task(f"tasks.{name}", (key, *args), **options)
        self.accepted[key] = result
        return result

    def send_many(self, name: str, keys: list[str], *args: Any) -> None:
        """Send many at once."""
        self.attempted += len(keys)
        signatures = [self.app.signature(f"tasks.{name}", args=(key, *args)) for key in keys]
        self.accepted.update(zip(keys, self.app.send_many(signatures), strict=True))

    def let_go(self, key: str) -> None:
        """Let `until_let_go` end."""
        (self.folder / key).touch()

    def dead(self) -> dict[str, str]:
        """Return why each task that was buried was, by its key."""
        by_id = {result.id: key for key, result in self.accepted.items()}
        return {by_id[str(one.task_id)]: one.reason for one in self.app.transport.admin().dead(limit=100_000)}

    def queue(self) -> Any:
        """Return the queue's counts."""
        name = self.app.conf.task_default_queue
        return next(one for one in self.app.transport.admin().queues() if one.name == name)

    def empty(self) -> bool:
        """Tell whether nothing is left in the queue or in flight."""
        queue = self.queue()
        return (0, 0, 0) == (queue.ready, queue.in_flight, queue.delayed)

    def tally(self) -> Tally:
        """Return the figures."""
        return self.ledger.tally(self.attempted, self.accepted, self.hurt, self.dead())

    # -- workers

    def pool(self, name: str) -> Any:
        """Return what a pool says of itself."""
        return self.app.discovery.load("kernelq.pools", name, wanted_by="the tests of faults")()

    def start(self, pool: str, *arguments: str, name: str = "w1", failpoint: str = "") -> Worker:
        """Start a worker and wait until it consumes."""
        worker = self.launch(pool, *arguments, name=name, failpoint=failpoint)
        self.until(lambda: "ready." in worker.log() or worker.process.poll() is not None, "the worker", 60)
        assert worker.process.poll() is None, worker.log()
        return worker

    def launch(self, pool: str, *arguments: str, name: str, failpoint: str = "") -> Worker:
        """Start a worker, with the fault that `kernelq.failpoint` is to order for it, and do not wait for it."""
        worker = Worker(self.folder, pool, *arguments, name=name, host=self._host, failpoint=failpoint)
        self._workers.append(worker.process)
        return worker

    def hosts(self, worker: Worker) -> list[int]:
        """Return the processes of a worker's hosts that live."""
        found = [pid for pid in processes.children(worker.pid) if processes.lives(pid)]
        self._seen.update(found)
        return found

    def harm(self, pid: int, number: int) -> None:
        """Send a signal to a host, and note that it had one."""
        self._seen.add(pid)
        if processes.hurt(pid, number):
            self.hurt[pid] = time.monotonic()

    def halt(self, worker: Worker) -> None:
        """Stop a worker's main process at a moment when it does not hold the lock of the scene's database.

        Else nobody else could write there until it goes on, which is SQLite's rule, and not what is looked at.
        """
        path = self.folder / "kernelq.db"
        with contextlib.closing(sqlite3.connect(path if path.exists() else ":memory:", timeout=60.0)) as database:
            database.execute("BEGIN IMMEDIATE")
            worker.signal(signal.SIGSTOP)
            self.until(lambda: processes.state(worker.pid) == "T", "the worker to be stopped")

    def until(self, condition: Callable[[], object], what: str, timeout: float = 60.0, look: float = 0.02) -> float:
        """Wait for something that other processes do; return the seconds that it took."""
        began, timeout = time.monotonic(), patience(timeout)
        while not condition():
            assert time.monotonic() - began < timeout, f"waited {timeout} seconds for {what}\n{self.logs()}"
            threading.Event().wait(look)
        return time.monotonic() - began

    def logs(self) -> str:
        """Return the last lines of each worker's log."""
        return "\n".join(
            "\n".join([path.name, *path.read_text().splitlines()[-40:]]) for path in sorted(self.folder.glob("*.log"))
        )

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._workers:
            self._seen.update(processes.children(process.pid))
            process.kill()
            process.wait()
        processes.end([pid for pid in self._seen if processes.lives(pid) and _is_in(self.folder, pid)])
        self.app.close()


def _is_in(folder: Path, pid: int) -> bool:
    """Tell whether a number that was a host's still is one, by its working directory: numbers come again."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder)
    except OSError:
        return False


class Worker:
    """A `kernelq worker` that logs into a file."""

    def __init__(self, folder: Path, pool: str, *arguments: str, name: str, host: str, failpoint: str = "") -> None:
        self.path = folder / f"{name}.log"
        command = [sys.executable, "-m", "kernelq.cli.main", "-A", "tasks", "worker", "-l", "INFO", "-P", pool,
                   "-n", f"{name}@{host}", *arguments]  # fmt: skip
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KERNELQ_")}
        if failpoint:
            environment["KERNELQ_FAILPOINT"] = failpoint
        with self.path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.pid = self.process.pid
        self.pool = pool
        self.node = f"{name}@{host}"

    def log(self) -> str:
        """Return what it has written so far."""
        return self.path.read_text(errors="replace")

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the main process."""
        self.process.send_signal(number)

    def exit_code(self, timeout: float = 60.0) -> int:
        """Wait for its end."""
        try:
            return self.process.wait(patience(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.log()}") from None


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A project in a new folder; everything is ended after the test."""
    made = Scene(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=[pytest.param(one, marks=pytest.mark.broker if one != "sqlite" else ()) for one in brokers.ALL])
def broker(request: pytest.FixtureRequest) -> Iterator[brokers.Broker]:
    """Each broker in turn, with a place of its own that is emptied after the test."""
    made = brokers.ALL[request.param]()
    yield made
    made.close()


@pytest.fixture
def scene_on(broker: brokers.Broker, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """A function that makes the scene on that broker, with a lease of so many seconds."""
    made: list[Scene] = []

    def make(lease: float = brokers.DEFAULT_LEASE) -> Scene:
        made.append(Scene(tmp_path, broker.settings(tmp_path, lease)))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture
def scene_with(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Scene]]:
    """A function that makes the scene with those settings; what it leaves on a broker is the test's to remove."""
    made: list[Scene] = []

    def make(settings: dict[str, Any]) -> Scene:
        made.append(Scene(tmp_path, settings))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture
def scene_at(tmp_path: Path) -> Iterator[Callable[[str], Scene]]:
    """A function that makes the scene on the broker of that name, with a short lease."""
    made: list[tuple[Scene, brokers.Broker]] = []

    def make(name: str) -> Scene:
        broker = brokers.ALL[name]()
        made.append((Scene(tmp_path, broker.settings(tmp_path, 3.0)), broker))
        return made[-1][0]

    yield make
    for scene, broker in made:
        scene.close()
        broker.close()


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """A function that notes a figure for the table at the end."""
    return record_property


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """What stands between a worker and its result store."""
    parts = urlsplit(STORE)
    with FaultProxy(parts.hostname or "127.0.0.1", parts.port or 6379) as proxy:
        yield proxy


@pytest.fixture
def storing_through(
    proxy: FaultProxy, scene_with: Callable[[dict[str, Any]], Scene], tmp_path: Path
) -> Iterator[Callable[..., Scene]]:
    """Make a project whose results go through the proxy to Redis; the test asks for them past it."""
    prefix = f"kqt-{uuid4().hex[:10]}:"

    def make(far: brokers.Broker, **more: Any) -> Scene:
        settings = far.settings(tmp_path, brokers.DEFAULT_LEASE)
        settings |= {"result_backend": STORE, "result_backend_transport_options": {"global_keyprefix": prefix}}
        parts = urlsplit(STORE)
        through = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()
        scene = scene_with({**settings, "result_backend": through, **more})
        scene.app.close()
        scene.app = KernelQ("past the proxy", **settings)
        return scene

    yield make
    import redis

    with redis.Redis.from_url(STORE) as client:
        for key in client.scan_iter(f"{prefix}*", count=10_000):
            client.delete(key)
