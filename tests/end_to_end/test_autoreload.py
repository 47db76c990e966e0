"""A worker loads changed code while it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOON = 60.0
"""Seconds in which a loaded machine starts a few interpreters."""

POOLS = ["prefork", "threads", *(pytest.param(name, marks=pytest.mark.slow) for name in ("asyncio", "gevent"))]

ANSWER = "\n\n@app.task\ndef answer():\n    return {0}\n"


@pytest.fixture
def change(project: Any) -> Callable[..., None]:
    """A function that replaces a text in the project's tasks.py by another, or adds one, as an editor saves."""

    def write(old: str, new: str) -> None:
        path = project.folder / "tasks.py"
        text = path.read_text()
        assert old in text
        aside = path.with_name("tasks.py~")
        aside.write_text(text.replace(old, new) if old else text + new)
        os.replace(aside, path)

    return write


@pytest.fixture
def developed(start: Any, change: Callable[..., None]) -> Callable[..., Any]:
    """A function that starts a worker with --autoreload, whose tasks.py has a task `answer`."""

    def begin(*arguments: str) -> Any:
        change("", ANSWER.format(1))
        worker = start("--autoreload", "-c", "2", *arguments)
        worker.wait_for("ready.", SOON)
        return worker

    return begin


def reloaded(worker: Any, times: int = 1) -> str:
    """Wait until code was loaded so often; return the last line that tells of it."""
    worker.wait_for("reloaded tasks.py: ", SOON, times)
    lines: list[str] = [line for line in worker.log.splitlines() if "reloaded tasks.py: " in line]
    return lines[times - 1]


@pytest.mark.parametrize("pool", POOLS)
def test_the_next_call_runs_the_new_code(project: Any, developed: Any, change: Any, pool: str) -> None:
    worker = developed("-P", pool)
    assert 1 == project.send("answer").get(timeout=SOON)

    change("return 1", "return 2")
    reloaded(worker)

    assert [2] * 4 == [project.send("answer").get(timeout=SOON) for _ in range(4)]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_task_in_flight_ends_with_the_code_it_began_with(
    project: Any, developed: Any, change: Any, pool: str
) -> None:
    """The others do not wait for it, and it runs once."""
    worker = developed("-P", pool)
    long = project.send("until_let_go", "long")
    project.pid_of("long")

    change('note("end", key)\n    return key\n\n\n@app.task\ndef fail', 'return "new"\n\n\n@app.task\ndef fail')
    change("return 1", "return 2")
    reloaded(worker)
    assert 2 == project.send("answer").get(timeout=SOON)
    project.let_go("long")

    assert "long" == long.get(timeout=SOON)
    assert 1 == project.counts("start")["long"]
    project.let_go("second")
    assert "new" == project.send("until_let_go", "second").get(timeout=SOON)


def test_a_new_task_runs(project: Any, developed: Any, change: Any) -> None:
    """A removed one does no longer."""
    worker = developed()

    change(ANSWER.format(1), "\n\n@app.task\ndef reply():\n    return 3\n")
    told = reloaded(worker)

    assert 3 == project.send("reply").get(timeout=SOON)
    assert re.search(r"1 new task, 1 removed task, \d hosts? replaced$", told)
    project.send("answer")
    worker.wait_for("no task here is named 'tasks.answer'", SOON)


def test_a_new_option_of_a_task_holds(project: Any, developed: Any, change: Any) -> None:
    """The supervisor decides by it, and it has imported the file before."""
    worker = developed()

    change("@app.task\ndef answer():\n    return 1", "@app.task(time_limit=0.5)\ndef answer():\n    time.sleep(600)")
    assert "1 changed task" in reloaded(worker)

    with pytest.raises(Exception, match=r"0\.5"):
        project.send("answer").get(timeout=SOON)


def test_a_mistake_is_told_and_the_old_code_runs_on_until_it_is_mended(
    project: Any, developed: Any, change: Any
) -> None:
    worker = developed()

    change("return 1", "return (2")
    worker.wait_for("tasks.py was changed and cannot be imported; the old code runs on: SyntaxError", SOON)
    assert 1 == project.send("answer").get(timeout=SOON)

    change("return (2", "return 2")
    reloaded(worker)
    assert 2 == project.send("answer").get(timeout=SOON)


def test_saves_in_quick_succession_are_few_reloads(project: Any, developed: Any, change: Any) -> None:
    """Two, at most; in the end the last one runs, though all have the same length and second."""
    worker = developed()

    change("return 1", "return 2")
    change("return 2", "return 3")
    reloaded(worker)
    while project.send("answer").get(timeout=SOON) != 3:
        reloaded(worker, 2)

    stats = project.app.control.inspect(["w1@test"]).stats()["w1@test"]
    assert 2 >= stats["step.Autoreloader"]["reloads"]
    assert [str(project.folder)] == stats["step.Autoreloader"]["folders"]


@pytest.mark.slow
def test_jobs_under_way_are_not_lost_by_reloads(project: Any, developed: Any, change: Any) -> None:
    """Each of many runs once, whatever is saved meanwhile."""
    worker = developed("-P", "threads", "-c", "4")

    results = []
    for turn in range(3):
        results += [project.send("work", f"{turn}-{n}", 0.02) for n in range(60)]
        change(f"return {turn + 1}\n", f"return {turn + 2}\n")
        reloaded(worker, turn + 1)

    assert 180 == len([one.get(timeout=SOON) for one in results])
    assert {1} == set(project.counts("start").values())


def test_the_pool_solo_cannot_and_says_so(start: Any) -> None:
    worker = start("--autoreload", "-P", "solo")

    assert 3 == worker.exit_code(SOON)
    assert "the pool solo has none: it runs them in the worker itself; type -P threads" in worker.log


class Dev:
    """A `kernelq dev` with its log."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "dev.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KERNELQ_")}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kernelq.cli.main", "dev", "-P", "threads"],
                cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def has(self, text: str) -> bool:
        """Tell whether it has written a text."""
        return text in self.log.read_text()


@pytest.fixture
def dev(project: Any) -> Any:
    """A `kernelq dev` in the project's folder."""
    made = Dev(project.folder)
    yield made
    made.process.terminate()
    made.process.wait(SOON)


def test_kernelq_dev_finds_the_app_and_shows_each_task(project: Any, dev: Dev, until: Any, change: Any) -> None:
    until(lambda: dev.has("ready."), "kernelq dev to be ready", SOON)
    assert dev.has("kernelq dev: the app is tasks (from tasks.py)")

    assert 3 == project.send("add", 1, 2).get(timeout=SOON)
    until(lambda: re.search(r"✔ tasks\.add \w+ in .*s: 3", dev.log.read_text()), "the task's end", SOON)
    assert dev.has("▶ tasks.add")

    change("return a + b", "return a - b")
    until(lambda: dev.has("reloaded tasks.py: "), "the reload", SOON)
    assert -1 == project.send("add", 1, 2).get(timeout=SOON)
