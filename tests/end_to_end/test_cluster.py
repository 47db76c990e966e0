"""Two workers of KernelQ and one of Celery in one cluster on real brokers, that join, leave and are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelq_testkit.waiting import patience

REDIS = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
AMQP = os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")

COMMON = """
import os
HERE = os.path.dirname(os.path.abspath(__file__))

def note(key):
    fd = os.open(os.path.join(HERE, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, f"{key}\\n".encode())
    os.close(fd)

SETTINGS = dict(
    control_exchange=os.environ["CLUSTER"], event_exchange=os.environ["CLUSTER"] + "ev",
    task_default_queue=os.environ["CLUSTER"], broker_transport_options=(
        {"global_keyprefix": os.environ["CLUSTER"] + ":"} if os.environ["BROKER"].startswith("redis") else {}
    ),
)
"""
KERNELQ = """
from common import SETTINGS, note, os
from kernelq import KernelQ

app = KernelQ("ours", broker=os.environ["BROKER"], backend=None, **SETTINGS)
app.task(name="t.note")(note)
"""
CELERY = """
from common import SETTINGS, note, os
from celery import Celery

app = Celery("theirs", broker=os.environ["BROKER"])
app.conf.update(SETTINGS, broker_connection_retry_on_startup=True)
app.task(name="t.note")(note)
"""
ASK_CELERY = """
import json, sys
from theirs import app
command, arguments, options = json.loads(sys.argv[1])
app.control.broadcast(command, arguments, **options)
"""


class Node:
    """A worker process with its log."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = f"{name}@test"
        theirs = name.startswith("c")
        module = ["celery", "-A", "theirs"] if theirs else ["kernelq", "-A", "ours"]
        level = "debug" if theirs else "info"  # Celery tells of joins and leaves there
        command = [sys.executable, "-m", *module, "worker", "-P", "solo", "-n", self.name, "-l", level]
        self._log = cluster.folder / f"{name}.log"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=cluster.folder, env=cluster.environment, stdout=output, stderr=output
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, *words: str, timeout: float = 60.0) -> None:
        """Wait until each of `words` is in the log."""
        until(
            lambda: all(word in self.log for word in words), lambda: f"{words} of {self.name} in\n{self.log}", timeout
        )

    def end(self, how: int = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()


class Cluster:
    """Workers that hear nobody but each other."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder, self.name = folder, f"kqc-{uuid.uuid4().hex[:8]}"
        self.broker = {"redis": REDIS, "amqp": AMQP}[broker]
        for name, source in {"common": COMMON, "ours": KERNELQ, "theirs": CELERY, "ask": ASK_CELERY}.items():
            (folder / f"{name}.py").write_text(source)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KERNELQ_")}
        added = {"BROKER": self.broker, "CLUSTER": self.name, "C_FORCE_ROOT": "1", "PYTHONPATH": str(folder)}
        self.environment = {**kept, **added}
        self.nodes: dict[str, Node] = {}
        from kernelq import KernelQ

        prefix = {"global_keyprefix": f"{self.name}:"} if broker == "redis" else {}
        self.app = KernelQ(
            "ours", broker=self.broker, backend=None, control_exchange=self.name, event_exchange=f"{self.name}ev",
            task_default_queue=self.name, broker_transport_options=prefix,
        )  # fmt: skip

    def start(self, *names: str) -> None:
        """Start workers, and wait until they consume."""
        for name in names:
            self.nodes[name] = Node(self, name)
        for name in names:
            self.nodes[name].says("ready.")

    def ask(self, node: str, command: str, **arguments: Any) -> Any:
        """Return what one node answers."""
        name = f"{node}@test"
        replies = self.app.control.broadcast(command, arguments, [name], reply=True, timeout=30)
        assert replies, f"{node} did not answer {command}:\n{self.nodes[node].log}"
        return replies[0][name]

    def know_each_other(self) -> None:
        """Wait until each has seen all others join."""
        for own, node in self.nodes.items():
            word = "joined the party" if own.startswith("c") else "joined"
            node.says(*(f"{other}@test {word}" for other in self.nodes if other != own))

    def noted(self) -> list[str]:
        """Return what the task was called with."""
        ledger = self.folder / "ledger"
        return ledger.read_text().split() if ledger.exists() else []

    def close(self) -> None:
        for node in self.nodes.values():
            node.end()
        if self.broker == REDIS:
            import redis

            with redis.Redis.from_url(REDIS) as client:
                for key in client.scan_iter(f"{self.name}*", count=10_000):
                    client.delete(key)
        else:
            with self.app.transport.connection() as connection:
                for form in ("{}", "{}.dlq", "{}ev", "{}.pidbox", "reply.{}.pidbox"):
                    name = form.format(self.name)
                    with connection.channel() as channel:
                        channel.queue_delete(name)
                        channel.exchange_delete(name)
        self.app.close()


def until(condition: Callable[[], object], what: Callable[[], str], timeout: float = 60.0) -> None:
    """Wait for something that another process does, and that gives no signal of its own."""
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} seconds for {what()}"
        time.sleep(0.02)


@pytest.fixture(params=["redis", "amqp"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without workers."""
    made = Cluster(tmp_path, request.param)
    yield made
    made.close()


@pytest.mark.slow
def test_who_comes_later_knows_what_the_others_know(cluster: Cluster) -> None:
    """A revoke that only one had, and its clock, reach a worker of the other kind when it starts, both ways."""
    cluster.start("k1")
    cluster.app.clock.adjust(50_000)
    cluster.ask("k1", "revoke", task_id=["from-kernelq"])

    cluster.start("c1")
    assert ["from-kernelq"] == cluster.ask("c1", "revoked")
    cluster.ask("c1", "revoke", task_id=["from-celery"])
    cluster.app.__dict__["clock"].value = 0  # what k2 and c1 know they cannot have from us
    assert cluster.ask("c1", "clock")["clock"] > 50_000

    cluster.start("k2")
    assert ["from-celery", "from-kernelq"] == sorted(cluster.ask("k2", "revoked"))
    assert cluster.ask("k2", "clock")["clock"] > 50_000


@pytest.mark.slow
def test_all_see_each_other_join_and_leave(cluster: Cluster) -> None:
    cluster.start("k1", "c1")
    cluster.start("k2")
    cluster.know_each_other()
    k1, k2, c1 = (cluster.nodes[name] for name in ("k1", "k2", "c1"))
    assert {"c1@test", "k2@test"} == set(cluster.ask("k1", "stats")["step.Gossip"]["members"])

    k2.end(signal.SIGTERM)
    k1.says("k2@test left")
    c1.says("k2@test left")
    c1.end(signal.SIGTERM)
    k1.says("c1@test left")

    assert [] == cluster.ask("k1", "stats")["step.Gossip"]["members"]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["kernelq", "celery"])
def test_an_election_has_one_winner_that_sends_the_task_once(cluster: Cluster, by: str) -> None:
    cluster.start("k1", "k2", "c1")
    cluster.know_each_other()
    ids = [f"e{number}" for number in range(5)]

    for one in ids:
        hold(cluster, by, one)
        for name, node in cluster.nodes.items():
            told = (f"I won the election '{one}'", f"elected for '{one}'") if name == "c1" else (f"election {one}: ",)
            until(lambda node=node, told=told: any(word in node.log for word in told), lambda node=node: node.log)
        until(lambda one=one: one in cluster.noted(), lambda one=one: f"the task of {one}")

    assert ids == sorted(cluster.noted())
    won = [winners(cluster, one) for one in ids]
    assert [1] * len(ids) == [len(names) for names in won], won


@pytest.mark.slow
def test_all_answers_are_there_without_a_wait(cluster: Cluster) -> None:
    """Of both kinds of workers; those that are gone, and not yet missed by the others, are not waited for."""
    cluster.start("k1", "k2", "c1")
    cluster.know_each_other()

    def ask() -> tuple[list[str], float]:
        began = time.monotonic()
        replies = cluster.app.control.ping(timeout=60)
        return sorted(name for reply in replies for name in reply), time.monotonic() - began

    names, seconds = ask()
    assert ["c1@test", "k1@test", "k2@test"] == names
    cluster.nodes["k2"].end()
    fewer, later = ask()
    assert ["c1@test", "k1@test"] == fewer
    print(f"{cluster.broker}: three answers in {seconds * 1000:.0f} ms, two of three in {later * 1000:.0f} ms")
    assert max(seconds, later) < 30


def winners(cluster: Cluster, one: str) -> list[str]:
    words = {"c1": f"I won the election '{one}'"}
    return [name for name, node in cluster.nodes.items() if words.get(name, f"election {one}: this worker") in node.log]


def hold(cluster: Cluster, by: str, one: str) -> None:
    """Have a client of either kind call an election."""
    import json

    action = {"task": "t.note", "args": [one], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}
    arguments = {"id": one, "topic": "task", "action": action}
    if by == "kernelq":
        cluster.app.control.election(**arguments)
    else:
        call = [sys.executable, "ask.py", json.dumps(["election", arguments, {}])]
        subprocess.run(call, cwd=cluster.folder, env=cluster.environment, check=True, timeout=patience(60))


@pytest.mark.slow
def test_who_is_killed_is_lost(cluster: Cluster) -> None:
    """Its heartbeats stay away for twice their interval; the others look every five seconds."""
    cluster.start("k1", "k2", "c1")
    cluster.know_each_other()
    k1, k2, c1 = (cluster.nodes[name] for name in ("k1", "k2", "c1"))

    k1.end()
    k2.says("missed heartbeat from k1@test")
    c1.says("missed heartbeat from k1@test")
    c1.end()
    k2.says("missed heartbeat from c1@test")

    assert [] == cluster.ask("k2", "stats")["step.Gossip"]["members"]
