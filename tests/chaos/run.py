"""One run: a subject on a broker, under load, with a fault that comes several times."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from kernelq_testkit import Ledger, Tally, eventually
from tests.chaos import tasks_of
from tests.chaos.brokers import Broker

SECONDS = 20.0
"""How long tasks are sent, and faults come."""
PATIENCE = 60.0
"""Seconds without any start or end after which the rest is not waited for."""
SLOTS = 4


@attrs.frozen
class Subject:
    """What is tried: its name, its module of tasks, its settings, and the command of its worker."""

    name: str
    source: str
    settings: dict[str, Any]
    worker: tuple[str, ...]
    recalls: Callable[[Any], int] | None = None
    """How many messages its broker still has when nothing moves any more; None: all that it can tell."""


@attrs.frozen
class Row:
    """A line of the scorecard."""

    subject: str
    broker: str
    fault: str
    tally: Tally
    waiting: int
    """Accepted and not ended when patience was over, and still in the broker."""
    exits: list[int]
    stuck: float
    """Seconds: the longest that a task could have started, for it was accepted or hurt, and did not."""

    @property
    def lost(self) -> int:
        """How many were accepted, have not ended, and are nowhere."""
        return max(0, len(self.tally.lost) - self.waiting)


class Run:
    """The processes of one run; faults act on it."""

    def __init__(self, subject: Subject, broker: Broker, folder: Path) -> None:
        self.subject, self.broker, self.folder = subject, broker, folder
        self.ledger = Ledger(folder / "ledger")
        self.hurt: dict[int, float] = {}
        self.faults: list[float] = []
        self.exits: list[int] = []
        (folder / "tasks.py").write_text(subject.source)
        (folder / "send.py").write_text(tasks_of.SENDER)
        for name, through_proxy in (("sender", False), ("worker", True)):
            settings = {**subject.settings, **broker.settings(through_proxy=through_proxy)}
            (folder / f"{name}.json").write_text(json.dumps(settings))
        self.worker = self._start()

    def kill_worker(self) -> None:
        """Kill the main process, and start another."""
        children = self.children()
        self.hurt.update(dict.fromkeys([self.worker.pid, *children], time.monotonic()))
        self.worker.kill()
        self.exits.append(self.worker.wait())
        self.worker = self._start()

    def kill_child(self) -> None:
        """Kill the child that has started a task last."""
        children = self.children()
        for entry in reversed(self.ledger.entries()):
            if entry.word == "start" and entry.pid in children:
                self.hurt[entry.pid] = time.monotonic()
                os.kill(entry.pid, signal.SIGKILL)
                return

    def silence(self) -> None:
        """Let the network forget the connections that are open."""
        assert self.broker.proxy is not None
        self.faults.append(time.monotonic())
        self.broker.proxy.silence()

    def restart_broker(self) -> None:
        """Restart the broker."""
        self.faults.append(time.monotonic())
        self.broker.restart()

    def children(self) -> list[int]:
        """Return the processes that descend from the worker."""
        import psutil

        return [each.pid for each in psutil.Process(self.worker.pid).children(recursive=True)]

    def quiet(self, accepted: set[str]) -> bool:
        """Tell whether all have ended, or nothing has moved for longer than patience lasts."""
        ended = set(self.ledger.keys("end"))
        last = max((entry.at for entry in self.ledger.entries()), default=0.0)
        return accepted <= ended or time.monotonic() - max(last, self.sent_at) > PATIENCE

    def go(self, fault: Callable[[Run], None], times: int, count: int) -> tuple[int, set[str]]:
        """Send `count` tasks while the fault comes `times`; return how many were attempted, and which accepted."""
        command = [sys.executable, "send.py", str(count), str(SECONDS)]
        with (self.folder / "sent").open("w") as out, (self.folder / "sender.log").open("w") as log:
            sender = subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=log)
        eventually(lambda: self.ledger.count("end") > SLOTS, 90, wanted="the first tasks")
        pause = threading.Event()
        for _ in range(times):
            pause.wait(SECONDS / (times + 1))
            fault(self)
        sender.wait()
        self.sent_at = time.monotonic()
        lines = [line.split() for line in (self.folder / "sent").read_text().splitlines()]
        self.accepted_at = {words[1]: float(words[2]) for words in lines if words[0] == "accepted"}
        accepted = set(self.accepted_at)
        eventually(lambda: self.quiet(accepted), 600, wanted="the end of the run")
        return sum(words[0] == "attempted" for words in lines), accepted

    def stuck(self) -> float:
        """Return the longest wait of a task: from its acceptance, or from the harm to an earlier start, to a start."""
        waits = [0.0]
        first: dict[str, float] = {}
        for entry in self.ledger.entries():
            if entry.word == "start" and entry.key not in first:
                first[entry.key] = entry.at
        waits += [at - self.accepted_at[key] for key, at in first.items() if key in self.accepted_at]
        for before, after in self.ledger.repeats():
            between = [at for at in self.faults if before.at <= at <= after.at]
            waits.append(after.at - self.hurt.get(before.pid, max(between, default=after.at)))
        ended = set(self.ledger.keys("end"))
        waits += [time.monotonic() - max(at, self.sent_at) for key, at in self.accepted_at.items() if key not in ended]
        return max(waits)

    def close(self) -> None:
        """End the worker: asked first, then killed."""
        children = self.children() if self.worker.poll() is None else []
        self.worker.terminate()
        try:
            self.exits.append(self.worker.wait(20))
        except subprocess.TimeoutExpired:
            self.worker.kill()
            self.exits.append(self.worker.wait())
        for pid in children:
            try:
                if os.path.samefile(f"/proc/{pid}/cwd", self.folder):
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                continue

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "CHAOS_SETTINGS": "worker.json"}
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *self.subject.worker], cwd=self.folder, env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip


@attrs.frozen
class Fault:
    """What happens, and how often in a run."""

    name: str
    act: Callable[[Run], None]
    times: int


def run(subject: Subject, kind: type[Any], fault: Fault, count: int) -> Row:
    """Do one run in a new folder; return its line."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        broker = kind(folder)
        try:
            one = Run(subject, broker, folder)
            try:
                attempted, accepted = one.go(fault.act, fault.times, count)
                tally = one.ledger.tally(attempted, sorted(accepted), one.hurt, faults=one.faults)
                stuck = one.stuck()
                waiting = subject.recalls(broker) if subject.recalls is not None and tally.lost else 0
            finally:
                one.close()
        finally:
            broker.close()
    return Row(subject.name, broker.name, f"{fault.times} x {fault.name}", tally, waiting, one.exits, stuck)
