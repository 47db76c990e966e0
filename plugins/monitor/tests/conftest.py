"""A cluster in this process: real events over a broker, and a node that answers commands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.pidbox import Mailbox

from kernelq import KernelQ
from kernelq_monitor.screen import Monitor
from kernelq_monitor.watch import Watch
from kernelq_testkit.waiting import eventually

COMMANDS = ("revoke", "rate_limit", "enable_events", "heartbeat")


class Cluster:
    """One worker's events, and its mailbox in a thread."""

    def __init__(self) -> None:
        self.app = KernelQ("t", broker="memory://", backend="disabled://")
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(30)
        self.dispatcher = self.app.events.Dispatcher(hostname="w1@h")
        self.sent = 0

    def send(self, type: str, **fields: Any) -> None:
        self.dispatcher.send(type, **fields)
        self.sent += 1

    def run(self, uuid: str, name: str = "shop.add", **received: Any) -> None:
        """The events of a task that succeeds."""
        self.send("task-received", uuid=uuid, name=name, args="(1, 2)", kwargs="{}", retries=0, **received)
        self.send("task-started", uuid=uuid)
        self.send("task-succeeded", uuid=uuid, result="3", runtime=0.125)

    def _answer(self, command: str) -> Any:
        def handler(state: Any, **arguments: Any) -> dict[str, str]:
            self.commands.append((command, arguments))
            return {"ok": f"{command} done"}

        return handler

    def _serve(self) -> None:
        with self.app.transport.connection() as connection:
            mailbox = Mailbox("celery", type="fanout", accept=["json"], queue_exclusive=False)
            node = mailbox(connection).Node("w1@h", channel=connection.default_channel)
            node.handlers = {command: self._answer(command) for command in COMMANDS}
            with node.listen(callback=node.handle_message):
                self._ready.set()
                while not self._stop.is_set():
                    try:
                        connection.drain_events(timeout=0.05)
                    except TimeoutError:
                        continue

    def close(self) -> None:
        self.dispatcher.close()
        self._stop.set()
        self._thread.join()
        self.app.close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def watch(cluster: Cluster) -> Iterator[Watch]:
    with Watch(cluster.app) as watch:
        yield watch


@pytest.fixture
def scene(cluster: Cluster, watch: Watch) -> Any:
    """A worker, and three tasks in three states."""
    cluster.send("worker-online", freq=1000.0, active=1, processed=7, loadavg=[0.5, 0.25, 0.125], sw_ident="kernelq",
                 sw_ver="0.1")  # fmt: skip
    cluster.run("aaa")
    cluster.send("task-received", uuid="bbb", name="shop.mul", args="(2, 3)", kwargs="{}")
    cluster.send("task-failed", uuid="bbb", exception="ValueError('[red]')", traceback="Traceback:\n  line 1\x1b[2J")
    cluster.send("task-received", uuid="ccc", name="shop.add", args="(9, 9)", kwargs="{}")
    cluster.send("task-started", uuid="ccc")
    seen(watch, cluster.sent)
    return cluster


def seen(watch: Watch, count: int) -> None:
    eventually(lambda: watch.state.event_count >= count, 30, wanted=f"{count} events")


@pytest.fixture
def monitor(scene: Any, watch: Watch) -> Monitor:
    return Monitor(watch, interval=0.3)
