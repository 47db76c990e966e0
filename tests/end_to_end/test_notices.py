"""Revokes that hold though no worker is up, and queues that are paused: on every broker, with real workers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import brokers
import pytest
import sqlalchemy as sa
from mongo_stand_in import serving

from kernelq import KernelQ
from kernelq.exceptions import TaskRevokedError
from kernelq_sqlalchemy.location import locate

from .conftest import Start, WorkerProcess, wait_until

pytestmark = pytest.mark.broker

TASKS = '''
import json, os
from pathlib import Path
from kernelq import KernelQ

HERE = Path(__file__).parent
app = KernelQ("project", **json.loads((HERE / "settings.json").read_text()))


@app.task
def work(key):
    """One line, one write."""
    with (HERE / "ledger").open("a") as file:
        file.write(key + "\\n")
    return key
'''


class Site:
    """A folder with a project, whose queue and control exchange are the test's own."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        settings["control_exchange"] = f"control-{uuid4().hex[:8]}"
        self.queue = settings.setdefault("task_default_queue", f"q-{uuid4().hex[:8]}")
        (folder / "tasks.py").write_text(TASKS)
        (folder / "settings.json").write_text(json.dumps(settings))
        self.app = KernelQ("project", **settings)

    def send(self, key: str, **options: Any) -> Any:
        return self.app.send_task("tasks.work", [key], **options)

    def ran(self) -> list[str]:
        """Return the keys of the tasks that ran."""
        ledger = self.folder / "ledger"
        return ledger.read_text().split() if ledger.exists() else []


STORES = {
    "postgresql": os.environ.get("KERNELQ_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test"),
    "mysql": os.environ.get("KERNELQ_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/test"),
}
"""Databases that keep results, and notices where the broker cannot."""


@contextmanager
def stored(name: str) -> Iterator[dict[str, Any]]:
    """Yield the settings of a result store in which what the test needs is its own; "": none."""
    own = f"kqn_{uuid4().hex[:10]}"
    if name == "mongodb":
        with serving() as server:
            yield {"result_backend": f"{os.environ.get('KERNELQ_TEST_MONGODB_URL') or server.url}/{own}"}
    elif name:
        tables = {one: f"{own}_{one}" for one in ("task", "group", "notices")}
        yield {"result_backend": f"db+{STORES[name]}", "database_table_names": tables}
        engine = sa.create_engine(locate(f"db+{STORES[name]}").url)
        with engine.begin() as db:
            for table in tables.values():
                db.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
        engine.dispose()
    else:
        yield {}


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test on these brokers; on all of them where the scale is full."""
    full = [*brokers.ALL, *(f"amqp+{store}" for store in (*STORES, "mongodb"))]
    wanted = full if os.environ.get("KERNELQ_TEST_SCALE") == "full" else names
    return pytest.mark.parametrize("site", wanted, indirect=True)


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A project on each broker; with RabbitMQ the result store keeps what is to be kept."""
    name, _, store = request.param.partition("+")
    broker = brokers.ALL[name]()
    with stored(store) as settings:
        site = Site(tmp_path, {**broker.settings(tmp_path, brokers.DEFAULT_LEASE), **settings})
        yield site
        site.app.close()
    broker.close()


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    """A function that starts a worker of the site; all are ended after the test."""
    workers: list[WorkerProcess] = []

    def begin(*arguments: str, name: str = "w1") -> WorkerProcess:
        workers.append(WorkerProcess(site.folder, "-P", "threads", "-c", "1", *arguments, name=name))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.end()


@on("redis", "amqp", "amqp+postgresql", "amqp+mysql", "amqp+mongodb")
def test_tasks_that_were_revoked_while_no_worker_was_up_do_not_run(site: Site, start: Start) -> None:
    """By id, by group, by stamped header; their results say so."""
    control = site.app.control
    stamped = {"stamped_headers": ["customer"], "stamps": {"customer": "acme"}}
    revoked = [
        site.send("by id", task_id=f"id-{uuid4()}"),
        site.send("by group", group_id="the group"),
        site.send("by stamp", headers=stamped),
    ]
    kept = [site.send("another-group", group_id="another"), site.send("plain")]
    control.revoke(revoked[0].id)
    control.revoke_group("the group")
    control.revoke_by_stamped_headers({"customer": ["acme", "other"]})

    start().ready()

    assert ["another-group", "plain"] == [one.get(timeout=60) for one in kept]
    for one in revoked:
        with pytest.raises(TaskRevokedError):
            one.get(timeout=60)
    assert ["another-group", "plain"] == site.ran()


@on("sqlite", "redis", "amqp+postgresql")
def test_a_paused_queue_is_left_alone_by_all_workers_until_it_is_resumed(site: Site, start: Start) -> None:
    """Also by one that starts meanwhile; other queues go on."""
    control, other = site.app.control, f"{site.queue}-other"
    first = start("-Q", f"{site.queue},{other}").ready()
    control.pause_queue(site.queue)
    first.wait_for(f"paused queues: {site.queue}")
    waiting = [site.send(f"waits-{number}") for number in range(3)]
    second = start("-Q", f"{site.queue},{other}", name="w2").ready()

    assert [f"other-{n}" for n in range(4)] == [
        site.send(f"other-{n}", queue=other).get(timeout=60) for n in range(4)
    ], "a queue beside it"
    assert [site.queue] == control.paused_queues()
    second.wait_for(f"paused queues: {site.queue}")
    assert [] == [key for key in site.ran() if key.startswith("waits")]

    assert 1 == control.resume_queue(site.queue)
    assert ["waits-0", "waits-1", "waits-2"] == [one.get(timeout=60) for one in waiting]
    wait_until(lambda: "none any more" in first.log and "none any more" in second.log, "both to have seen it")
    site.app.transport.admin().purge(other)
    _delete(site, other)


def _delete(site: Site, queue: str) -> None:
    """Remove a queue of RabbitMQ; elsewhere it goes with the rest."""
    if site.app.transport.url.startswith("amqp"):
        with site.app.transport.connection() as connection:
            for name in (queue, f"{queue}.dlq", f"{queue}.kernelq.losses"):
                with connection.channel() as channel:
                    channel.queue_delete(name)
                    channel.exchange_delete(name)
