"""Unmodified Flower, 2.0.1 and the newest, in front of KernelQ workers: every page and every call of its API."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from flower_server import Flower, environment, interpreter, served
from node import ports
from node_rabbitmq import RabbitMQNode

from kernelq_testkit.waiting import eventually

PEERS = Path(__file__).parent / "peers"
REDIS = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
pytestmark = [pytest.mark.broker, pytest.mark.slow]


class ManagedNode(RabbitMQNode):
    """One with the HTTP interface that Flower asks for the lengths of queues."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.http_port,) = ports(1)
        (folder / "plugins").write_text("[rabbitmq_management].\n")
        with (folder / "rabbitmq.conf").open("a") as config:
            config.write(f"management.tcp.port = {self.http_port}\nmanagement.tcp.ip = 127.0.0.1\n")


@attrs.frozen
class Garden:
    """A worker, and a Flower that has seen it."""

    flower: Flower
    node: str
    queue: str
    environment: dict[str, str]
    worker: subprocess.Popen[bytes]

    def send(self, task: str, *args: Any) -> str:
        """Send a task as Flower's Tasks API does; return its id."""
        sent = self.flower.post(f"/api/task/async-apply/{task}", {"args": args})
        task_id: str = sent["task-id"]
        return task_id

    def seen(self, task_id: str, state: str) -> dict[str, Any]:
        """Return what Flower knows of a task, once it is in this state."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.flower.json("/api/tasks?limit=100").get(task_id) or {})
            return found.get("state") == state

        eventually(there, 60, wanted=f"{task_id} in state {state}, seen by Flower")
        return found


@pytest.fixture(params=["redis", "amqp"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a broker, and of the HTTP interface where it has one."""
    if request.param == "redis":
        yield REDIS, ""
        return
    node = ManagedNode(tmp_path / "node")
    node.start()
    yield node.url, f"http://guest:guest@127.0.0.1:{node.http_port}/api/"
    node.kill()


@pytest.fixture(params=["2.0.1", "newest"])
def garden(request: pytest.FixtureRequest, broker: tuple[str, str], tmp_path: Path) -> Iterator[Garden]:
    """A worker with two prefork hosts and a Flower, on a queue of the test's own."""
    python = interpreter(request.param)
    url, http = broker
    name = f"flower-{uuid.uuid4().hex[:12]}"
    on_redis = not http
    names = {"COMPAT_BROKER": url, "COMPAT_BACKEND": REDIS, "COMPAT_QUEUE": name}
    around = environment("flower_app", PEERS, COMPAT_PREFIX=f"{name}:" if on_redis else "", **names)
    node = f"{name}@garden"
    command = [sys.executable, "-m", "kernelq", "-A", "flower_app", "worker", "-P", "prefork", "--autoscale=4,2",
               "-n", node, "-l", "info"]  # fmt: skip
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(command, cwd=PEERS, env=around, stdout=output, stderr=output)
    try:
        with served(python, tmp_path, around, *([f"--broker_api={http}"] if http else [])) as flower:
            eventually(lambda: "stats" in flower.json("/api/workers?refresh=1").get(node, {}), 60, wanted="the worker")
            yield Garden(flower, node, name, around, worker)
    except BaseException:
        sys.stdout.write(log.read_text())
        raise
    finally:
        worker.terminate()
        worker.wait(60)
        _delete_keys(name)


def _delete_keys(name: str) -> None:
    import redis

    with redis.Redis.from_url(REDIS) as client:
        for key in client.scan_iter(f"{name}:*"):
            client.delete(key)


def test_every_page_and_every_call(garden: Garden, tmp_path: Path) -> None:
    """Each answers 200, and says what is true."""
    flower, node = garden.flower, garden.node
    added = garden.send("garden.add", 2, 3)
    failed = garden.send("garden.wither", "no rain")
    assert garden.seen(added, "SUCCESS")["result"] == "5"
    withered = garden.seen(failed, "FAILURE")
    assert "ValueError('no rain')" == withered["exception"]
    assert "raise ValueError(why)" in withered["traceback"]

    _pages(garden, added, failed)
    _tasks(garden, added)
    _limits(garden)
    _pool(garden)
    _queues(garden)
    _revoke(garden, tmp_path)

    assert {"message": "Shutting down!"} == flower.json(f"/api/worker/shutdown/{node}", _=1)
    assert 0 == garden.worker.wait(60)


def _pages(garden: Garden, added: str, failed: str) -> None:
    flower, node = garden.flower, garden.node
    assert node in flower.text("/")
    assert node in flower.text("/workers")
    page = flower.text(f"/worker/{node}")
    assert "garden.add" in page
    assert garden.queue in page
    assert "Tasks" in flower.text("/tasks")
    assert "garden.add" in flower.text(f"/task/{added}")
    assert "no rain" in flower.text(f"/task/{failed}")
    assert garden.queue in flower.text("/broker")
    table = flower.json(
        "/tasks/datatable?draw=1&start=0&length=10&search[value]=&order[0][column]=0&order[0][dir]=asc"
        "&columns[0][data]=name"
    )
    assert {added, failed} <= {row["uuid"] for row in table["data"]}
    metrics = flower.text("/metrics")
    assert f'flower_worker_online{{worker="{node}"}} 1.0' in metrics
    assert "garden.add" in metrics


def _tasks(garden: Garden, added: str) -> None:
    flower, node = garden.flower, garden.node
    known = flower.json(f"/api/task/info/{added}")
    assert ["garden.add", "[2, 3]", "SUCCESS"] == [known[key] for key in ("name", "args", "state")]
    assert {"task-id": added, "state": "SUCCESS", "result": 5} == flower.json(f"/api/task/result/{added}")
    assert 5 == flower.post("/api/task/apply/garden.add", {"args": [1, 4]})["result"]
    sent = flower.post("/api/task/send-task/garden.add", {"args": [4, 4]})["task-id"]
    assert "8" == garden.seen(sent, "SUCCESS")["result"]
    assert {"garden.add", "garden.wither"} <= set(flower.json("/api/task/types")["task-types"])
    eventually(lambda: _length(garden) == 0, 30, wanted="an empty queue")  # RabbitMQ counts late
    assert node in flower.json(f"/api/workers?workername={node}")
    assert {node: True} == flower.json("/api/workers?status=1")


def _length(garden: Garden) -> int | None:
    queues = garden.flower.json("/api/queues/length")["active_queues"]
    return {queue["name"]: queue.get("messages") for queue in queues}.get(garden.queue)


def _limits(garden: Garden) -> None:
    flower, node = garden.flower, garden.node
    said = flower.json("/api/task/timeout/garden.add", workername=node, hard=30, soft=20)
    assert {"message": "time limits set successfully"} == said
    said = flower.json("/api/task/rate-limit/garden.add", workername=node, ratelimit="500/s")
    assert {"message": "new rate limit set successfully"} == said


def _pool(garden: Garden) -> None:
    flower, node = garden.flower, garden.node
    assert node in flower.json(f"/api/worker/pool/grow/{node}", n=1)["message"]
    assert node in flower.json(f"/api/worker/pool/shrink/{node}", n=1)["message"]
    assert node in flower.json(f"/api/worker/pool/autoscale/{node}", min=1, max=3)["message"]
    assert node in flower.json(f"/api/worker/pool/restart/{node}", _=1)["message"]
    again = garden.send("garden.add", 20, 3)
    assert "23" == garden.seen(again, "SUCCESS")["result"]


def _queues(garden: Garden) -> None:
    flower, node = garden.flower, garden.node
    more = f"{garden.queue}-more"
    assert more in flower.json(f"/api/worker/queue/add-consumer/{node}", queue=more)["message"]
    assert more in flower.json(f"/api/worker/queue/cancel-consumer/{node}", queue=more)["message"]


def _revoke(garden: Garden, tmp_path: Path) -> None:
    flower = garden.flower
    running = garden.send("garden.wait", str(tmp_path / "never"))
    garden.seen(running, "STARTED")
    assert {"message": f"Revoked '{running}'"} == flower.json(f"/api/task/revoke/{running}", terminate=1)
    garden.seen(running, "REVOKED")
    later = flower.post("/api/task/async-apply/garden.add", {"args": [1, 1], "countdown": 3600})["task-id"]
    assert {"message": f"Aborted '{later}'"} == flower.json(f"/api/task/abort/{later}", _=1)
