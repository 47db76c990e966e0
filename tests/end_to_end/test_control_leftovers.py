"""Many questions and many lost connections leave nothing behind: no key, no queue, no memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import brokers
import processes
import pytest
from node_rabbitmq import RabbitMQNode

from kernelq import KernelQ

from .conftest import Start, WorkerProcess, wait_until

FULL = os.environ.get("KERNELQ_TEST_SCALE") == "full"
pytestmark = [pytest.mark.broker, pytest.mark.timeout(3000 if FULL else 240)]

INSPECTS = 10_000 if FULL else 60
EVENTS_QUEUE = re.compile(r"celeryev\.[0-9a-f-]{36}")
"""Its name is new for each connection."""
RECONNECTS = {"redis": 1_000 if FULL else 12, "amqp": 1_000 if FULL else 4}
GROWTH = 4_096 if FULL else 8_192
"""Kilobytes that a worker may grow by: its garbage comes and goes."""
CLIENTS_GROWTH = 1_024 if FULL else 8_192
"""Kilobytes that a client may, its garbage being collected."""

TASKS = """
import json
from pathlib import Path
from kernelq import KernelQ

app = KernelQ("project", **json.loads((Path(__file__).parent / "settings.json").read_text()))
"""

CLIENT = """
import gc, os, sys
sys.path[:0] = [sys.argv[2], "."]
import processes
from tasks import app

def used():
    gc.collect()
    return processes.memory(os.getpid())

memory, questions = 0, int(sys.argv[1])
for number in range(questions):
    if number == questions // 2:
        memory = used()
    if number % 3:
        assert [{"w1@test": {"ok": "pong"}}] == app.control.ping(timeout=30, limit=1)
    else:
        app.control.ping(timeout=0.0)
print(used() - memory)
app.close()
"""
"""Asks so many times, and prints by how many kilobytes it has grown over the second half."""
SUPPORT = str(Path(processes.__file__).parent)


class Site:
    """A project whose control exchange is the test's own, and what the broker has of it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.broker = brokers.ALL[name]()
        self.exchange = f"control-{uuid4().hex[:8]}"
        self.settings = {
            **self.broker.settings(folder, brokers.DEFAULT_LEASE),
            "control_exchange": self.exchange,
            "event_exchange": f"events-{self.exchange}",
            "control_queue_expires": 1.0,
        }
        self.node: RabbitMQNode | None = None
        if name == "amqp":
            self.node = RabbitMQNode(folder / "rabbitmq")
            self.node.start()
            self._close_all = self.node.closer()
            self.settings["broker_url"] = self.node.url
        (folder / "tasks.py").write_text(TASKS)
        (folder / "settings.json").write_text(json.dumps(self.settings))
        self.app = KernelQ("project", **self.settings)

    def ping(self) -> Any:
        return self.app.control.ping(timeout=30, limit=1)

    def left(self) -> Counter[str]:
        """Return the keys, or the queues and bindings, that control has in the broker; each events queue alike."""
        if self.name == "redis":
            import redis

            with redis.Redis.from_url(self.settings["broker_url"]) as client:
                prefix = self.settings["broker_transport_options"]["global_keyprefix"]
                keys = [key.decode() for key in client.scan_iter(f"{prefix}*", count=10_000)]
                bound = [
                    member.decode() for key in keys if "_kombu.binding.reply" in key for member in client.smembers(key)
                ]
                return self._own(*keys, *bound)
        assert self.node is not None
        queues = self.node.ctl("list_queues", "name").split()
        bound = self.node.ctl("list_bindings", "source_name", "destination_name", "routing_key").splitlines()
        return self._own(*queues, *bound)

    def _own(self, *names: str) -> Counter[str]:
        return Counter(EVENTS_QUEUE.sub("celeryev", one) for one in names if self.exchange in one)

    def cut(self) -> set[int]:
        """Cut what the worker hears commands and events by, from the broker's side; return the ports of what was cut.

        On RabbitMQ these are all of its connections.
        """
        connected = self.connected()
        if self.node is not None:
            self._close_all()
            return connected
        import redis

        cut = set()
        with redis.Redis.from_url(self.settings["broker_url"]) as client:
            for one in client.client_list(_type="pubsub"):
                port = int(one["addr"].rpartition(":")[2])
                if one["psub"] != "0" and port in connected and client.client_kill_filter(_id=one["id"]):
                    cut.add(port)
        return cut

    def connected(self) -> set[int]:
        """Return the ports by which the worker's main process is connected to the broker."""
        import psutil

        broker = urlsplit(self.settings["broker_url"]).port or 6379
        found = psutil.Process(self.worker_pid).net_connections("tcp")
        return {one.laddr.port for one in found if one.status != "LISTEN" and one.raddr.port == broker}

    def close(self) -> None:
        """Remove what the test has left on the broker, or the broker."""
        self.app.close()
        if self.node is not None:
            self.node.kill()
        else:
            self.broker.close()

    worker_pid = 0


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, request.param)
    yield site
    site.close()


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    """A function that starts a worker of the site; all are ended after the test."""
    workers: list[WorkerProcess] = []

    def begin(*arguments: str, name: str = "w1") -> WorkerProcess:
        workers.append(WorkerProcess(site.folder, "-P", "threads", "-c", "1", *arguments, name=name))
        site.worker_pid = workers[-1].process.pid
        return workers[-1]

    yield begin
    for worker in workers:
        worker.end()


@pytest.mark.parametrize("site", ["redis", "amqp"] if FULL else ["redis"], indirect=True)
def test_many_questions_leave_nothing(site: Site, start: Start) -> None:
    """Every third is left before it is answered, and its answer comes to nobody."""
    worker = start().ready()
    for _ in range(10):
        site.ping()
    before, memory = site.left(), processes.memory(worker.process.pid)
    command = [sys.executable, "-c", CLIENT, str(INSPECTS), SUPPORT]
    done = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, timeout=2400)
    assert 0 == done.returncode, done.stderr

    wait_until(lambda: site.left() <= before, f"no more than {before}")
    grown = processes.memory(worker.process.pid) - memory
    print(f"{site.name}: {INSPECTS} questions; the worker grew by {grown} kB, the client by {int(done.stdout)} kB")
    assert grown < GROWTH
    assert int(done.stdout) < CLIENTS_GROWTH


@pytest.mark.parametrize("site", ["redis", "amqp"], indirect=True)
def test_many_lost_connections_leave_nothing(site: Site, start: Start) -> None:
    """The worker listens again each time, and answers."""
    worker = start().ready()
    site.ping()
    before, descriptors, memory = site.left(), 0, 0
    count = RECONNECTS[site.name]
    for number in range(1, count + 1):
        lost = wait_until(site.cut, "a connection to cut")
        wait_until(lambda lost=lost: not lost & site.connected(), "a worker that has noticed")
        wait_until(lambda: site.app.control.ping(timeout=0.5, limit=1), "an answer")
        if number == count // 2:
            memory = processes.memory(worker.process.pid)
            descriptors = processes.descriptors(worker.process.pid)

    wait_until(lambda: site.left() <= before, f"no more than {before}")
    most = descriptors + max(count // 3, 4)  # some may have been closed just then; half of them were lost since
    wait_until(lambda: processes.descriptors(worker.process.pid) <= most, f"{most} descriptors at most")
    grown = processes.memory(worker.process.pid) - memory
    print(f"{site.name}: {count} reconnects; over the second half the worker grew by {grown} kB")
    assert grown < GROWTH
