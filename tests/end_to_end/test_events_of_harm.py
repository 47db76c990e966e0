"""Tasks that are revoked, terminated, lost and buried, as monitors are told: by a real worker, to Celery's receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import brokers
import pytest
from celery import Celery
from celery_events import Seen, celerys_receiver

from kernelq import KernelQ

from .conftest import Project, Start, WorkerProcess

pytestmark = pytest.mark.broker

TASKS = """

import json
from pathlib import Path
from kernelq import Reject

app.conf.update(json.loads((Path(HERE) / "settings.json").read_text()))


@app.task(time_limit=0.5)
def too_long():
    time.sleep(600)


@app.task
def refuse():
    raise Reject("not me", requeue=False)
"""


class Site(Project):
    """A project on a broker, with names of the test's own."""

    def __init__(self, folder: Path, broker: brokers.Broker) -> None:
        super().__init__(folder)
        self.app.close()
        name = f"kqt-{uuid4().hex[:8]}"
        names = {"control_exchange": name, "event_exchange": f"{name}.ev"}
        settings = {
            "task_default_queue": name,
            **broker.settings(folder, brokers.DEFAULT_LEASE),
            **names,
            "task_max_deliveries": 2,
        }
        with (folder / "tasks.py").open("a") as file:
            file.write(TASKS)
        (folder / "settings.json").write_text(json.dumps(settings))
        self.app = KernelQ("project", **settings)
        self.queue_name: str = settings["task_default_queue"]
        self.celery = Celery("project", set_as_current=False)
        self.celery.conf.update(names)

    def close(self) -> None:
        """Remove the exchange of the events, where the broker has such."""
        if self.app.transport.url.startswith("amqp"):
            with self.app.transport.connection() as connection:
                for name in (self.app.conf.event_exchange, f"{self.app.conf.control_exchange}.pidbox"):
                    connection.default_channel.exchange_delete(name)
        self.app.close()
        self.celery.close()


@pytest.fixture(params=["redis", "amqp"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A project on each broker."""
    broker = brokers.ALL[request.param]()
    site = Site(tmp_path, broker)
    yield site
    site.close()
    broker.close()


@pytest.fixture
def seen(project: Site) -> Iterator[Seen]:
    """What Celery's receiver takes."""
    with celerys_receiver(project.app, project.celery) as seen:
        yield seen


@pytest.fixture
def worker(start: Start, seen: Seen) -> WorkerProcess:
    """A worker with one slot that tells what it does."""
    return start("-P", "prefork", "-c", "1", "-E", "-O", "default").ready()


def story(seen: Seen, task_id: str) -> list[str]:
    """Return the types of the events of one task, by clock."""
    return [one["type"] for one in sorted((one for one in seen if one.get("uuid") == task_id), key=_clock)]


def _clock(event: dict[str, Any]) -> int:
    return int(event["clock"])


def test_revoked_and_terminated_tasks_are_told(project: Site, seen: Seen, worker: WorkerProcess) -> None:
    """One that waits in the broker or in the worker, and one that runs."""
    running = project.send("until_let_go", "running")
    waiting = project.send("work", "waiting")
    project.pid_of("running")
    seen.wait_for("task-started", 1)  # a host tells within some milliseconds, unless it is killed before

    project.app.control.revoke(waiting.id)
    project.app.control.revoke(running.id, terminate=True, signal="KILL")
    told = {one["uuid"]: one for one in seen.wait_for("task-revoked", 2)}

    ended, unbegun = told[running.id], told[waiting.id]
    assert (True, 9, False) == (ended["terminated"], ended["signum"], ended["expired"])
    assert (False, None, False) == (unbegun["terminated"], unbegun["signum"], unbegun["expired"])
    assert ["task-received", "task-started", "task-revoked"] == story(seen, running.id)
    assert "task-started" not in story(seen, waiting.id)
    assert {"REVOKED"} == {seen.state.tasks[one.id].state for one in (running, waiting)}


def test_tasks_whose_host_is_gone_have_failed(project: Site, seen: Seen, worker: WorkerProcess) -> None:
    """At once, where they were acknowledged early or had run too long; else with the last host that they may take."""
    early, late, long = (
        project.send("kill_host_early", "early"),
        project.send("kill_host", "late"),
        project.send("too_long"),
    )
    seen.wait_for("task-failed", 3)

    why = {one["uuid"]: one["exception"] for one in seen.of("task-failed")}
    assert {early.id, late.id, long.id} == set(why)
    assert "WorkerLostError" in why[early.id]
    assert "WorkerLostError" in why[late.id]
    assert (1, 2) == (project.counts("start")["early"], project.counts("start")["late"])
    assert "TimeLimitExceeded" in why[long.id]
    told = story(seen, late.id)
    assert ("task-received", "task-failed", 1) == (told[0], told[-1], told.count("task-failed"))
    assert {"FAILURE"} == {seen.state.tasks[one].state for one in why}


def test_what_is_buried_is_told(project: Site, seen: Seen, worker: WorkerProcess) -> None:
    """What a task rejects, and what is no task at all."""
    refused = project.send("refuse")
    nonsense = project.app.amqp.message("tasks.add", (1, 2), task_id="nonsense", queue=project.queue_name)
    nonsense.headers["eta"] = "never"
    project.app.sender.publish(nonsense)
    seen.wait_for("task-failed", 2)
    (rejected,) = seen.wait_for("task-rejected")

    assert (refused.id, False) == (rejected["uuid"], rejected["requeue"])
    assert ["task-failed", "task-rejected"] == story(seen, refused.id)[-2:]
    assert ["task-failed"] == story(seen, "nonsense")
    (why,) = [one["exception"] for one in seen.of("task-failed") if one["uuid"] == "nonsense"]
    assert "eta or expires cannot be read" in why
