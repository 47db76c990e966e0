"""New hosts, then new tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq_autoreload import reported
from kernelq_autoreload.description import describe
from kernelq_autoreload.reload import Reload
from kernelq_testkit.leftovers import CountingLoop

SOON = 20.0


class Pool:
    """Hosts that are replaced when the test says so."""

    def __init__(self) -> None:
        self.restarts = 0
        self.processes = [1, 2]

    def restart(self) -> None:
        self.restarts += 1

    def info(self) -> dict[str, Any]:
        return {"processes": list(self.processes)}


class State:
    """Counts how often strategies were to be compiled anew."""

    recompiled = 0

    def recompile(self) -> None:
        self.recompiled += 1


@pytest.fixture
def app() -> KernelQ:
    """The app as the supervisor has imported it."""
    app = KernelQ("t", broker="memory://", backend="disabled://")
    app.task(name="pack")(lambda: None)
    app.task(name="ship", rate_limit="1/m")(lambda: None)
    return app


@pytest.fixture
def newer() -> KernelQ:
    """The same app in the files: `pack` as it was, `ship` with another limit, `send` new."""
    app = KernelQ("t", broker="memory://", backend="disabled://")
    app.task(name="pack")(lambda: None)
    app.task(name="ship", rate_limit="2/m")(lambda: None)
    app.task(name="send")(lambda: None)
    return app


def answer_of(app: KernelQ) -> dict[str, Any]:
    """What the probe would say of an app."""
    return {"tasks": [describe(task) for task in app.tasks.values()], "settings": reported.report(app.conf)}


@pytest.fixture
def loop() -> Iterator[CountingLoop]:
    """A loop that the test turns."""
    made = CountingLoop()
    yield made
    made.close()


@pytest.fixture
def pool() -> Pool:
    """Two hosts."""
    return Pool()


@pytest.fixture
def state() -> State:
    """The worker's memory."""
    return State()


@pytest.fixture
def reload(app: KernelQ, loop: CountingLoop, pool: Pool, state: State) -> Reload:
    """What is called when a change has been tried."""
    return Reload(app, loop, pool, state)


def test_tasks_become_known_when_the_new_hosts_have_taken_over(
    app: KernelQ, newer: KernelQ, reload: Reload, loop: CountingLoop, pool: Pool, state: State
) -> None:
    """A job of a new task must not reach a host that does not have it."""
    reload(["tasks.py"], answer_of(newer))
    assert 1 == pool.restarts
    assert not loop.run_until(lambda: "send" in app.tasks, 0.3)
    assert reload.info()["reloading"]

    pool.processes = [3, 4]

    assert loop.run_until(lambda: reload.info()["reloads"] == 1, SOON)
    assert {"pack", "ship", "send"} == set(app.tasks)
    assert "2/m" == app.tasks["ship"].rate_limit
    assert 1 == state.recompiled
    assert [] == loop.live()


def test_a_task_that_did_not_change_stays_the_object_it_was(
    app: KernelQ, newer: KernelQ, reload: Reload, loop: CountingLoop, pool: Pool
) -> None:
    before = app.tasks["pack"]
    reload(["tasks.py"], answer_of(newer))
    pool.processes = [3]
    assert loop.run_until(lambda: reload.info()["reloads"] == 1, SOON)

    assert before is app.tasks["pack"]


def test_a_removed_task_is_forgotten(
    app: KernelQ, newer: KernelQ, reload: Reload, loop: CountingLoop, pool: Pool
) -> None:
    answer = answer_of(newer)
    answer["tasks"] = [one for one in answer["tasks"] if one["name"] != "pack"]
    reload(["tasks.py"], answer)
    pool.processes = [3]

    assert loop.run_until(lambda: "pack" not in app.tasks, SOON)


def test_the_log_tells_what_changed(
    newer: KernelQ, reload: Reload, loop: CountingLoop, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """The second time nothing has: what came from a process is compared with what came from one."""
    with caplog.at_level(logging.INFO, "kernelq.autoreload"):
        for turn, hosts in enumerate(([3, 4], [5, 6]), 1):
            reload(["tasks.py"], answer_of(newer))
            pool.processes = hosts
            assert loop.run_until(lambda turn=turn: reload.info()["reloads"] == turn, SOON)

    assert [
        "reloaded tasks.py: 1 new task, 1 changed task, 2 hosts replaced",
        "reloaded tasks.py: 2 hosts replaced",
    ] == caplog.messages


def test_two_changes_before_the_hosts_are_there_are_one_reload(
    app: KernelQ, newer: KernelQ, reload: Reload, loop: CountingLoop, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """What started for the first goes too: it may have the code of between."""
    reload(["a.py"], answer_of(app))
    pool.processes = [1, 2, 3]
    reload(["b.py"], answer_of(newer))
    pool.processes = [3, 4]
    assert not loop.run_until(lambda: reload.info()["reloads"], 0.3)

    with caplog.at_level(logging.INFO, "kernelq.autoreload"):
        pool.processes = [4, 5]
        assert loop.run_until(lambda: reload.info()["reloads"] == 1, SOON)

    assert "reloaded a.py, b.py: 1 new task" in caplog.text


def test_an_error_leaves_everything_as_it_is(
    app: KernelQ, reload: Reload, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    before = dict(app.tasks)

    reload(["tasks.py"], {"error": "SyntaxError: invalid syntax (tasks.py, line 3)", "traceback": "  line 3"})

    assert before == dict(app.tasks)
    assert 0 == pool.restarts
    assert "SyntaxError: invalid syntax (tasks.py, line 3)" == reload.info()["last_error"]
    assert "tasks.py was changed and cannot be imported; the old code runs on: SyntaxError" in caplog.text


def test_an_error_is_over_when_it_is_mended(newer: KernelQ, reload: Reload, loop: CountingLoop, pool: Pool) -> None:
    reload(["tasks.py"], {"error": "SyntaxError"})
    reload(["tasks.py"], answer_of(newer))
    pool.processes = [3]

    assert loop.run_until(lambda: reload.info()["last_error"] is None, SOON)


def test_changed_settings_hold_or_are_told(
    app: KernelQ, newer: KernelQ, reload: Reload, caplog: pytest.LogCaptureFixture
) -> None:
    """What the supervisor reads for each task can change while it runs; the broker cannot."""
    newer.conf.update({"task_acks_late": False, "broker_url": "memory://other"}, source="the app's arguments")

    reload(["tasks.py"], answer_of(newer))

    assert not app.conf.task_acks_late
    assert "memory://" == app.conf.broker_url
    assert "changed settings that a running worker keeps: broker_url; start it anew for them" in caplog.text


def test_stop_waits_for_no_host(newer: KernelQ, reload: Reload, loop: CountingLoop) -> None:
    reload(["tasks.py"], answer_of(newer))

    reload.stop()
    reload.stop()

    assert [] == loop.live()
