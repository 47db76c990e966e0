"""The step Autoreloader."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.conf import Conf
from kernelq.kernel.errors import ConfigurationError
from kernelq.kernel.keys import Key
from kernelq.keys import APP, LOOP, POOL, STATE, WORKER
from kernelq_autoreload.settings import AutoreloadSettings
from kernelq_autoreload.step import Autoreloader
from kernelq_testkit.leftovers import CountingLoop
from kernelq_testkit.step import StepConformance, view
from kernelq_testkit.stress import StartStopStress
from kernelq_testkit.waiting import eventually


class Worker:
    """The little that the step asks of its worker."""

    hostname = "w@test"
    stopping = None
    load = "tasks"


class Pool:
    """One host."""

    def __init__(self) -> None:
        self.restarts = 0
        self.processes = [1]

    def restart(self) -> None:
        self.restarts += 1

    def info(self) -> dict[str, Any]:
        return {"implementation": "kit", "processes": self.processes}


class State:
    """Takes what it is told."""

    def recompile(self) -> None:
        """Do nothing."""


@pytest.fixture
def values(project: Path, counting_loop: CountingLoop) -> dict[Key[Any], Any]:
    """What the other steps of a worker provide."""
    app = KernelQ("t", broker="memory://", backend="disabled://", worker_autoreload=True)
    app.finalize()
    return {APP: app, WORKER: Worker(), LOOP: counting_loop, POOL: Pool(), STATE: State()}


@pytest.fixture
def counting_loop() -> Any:
    """A loop that knows its live timers."""
    loop = CountingLoop()
    yield loop
    loop.close()


class TestConformance(StepConformance):
    @pytest.fixture
    def step(self) -> type[Autoreloader]:
        return Autoreloader

    @pytest.fixture
    def settings(self, values: dict[Key[Any], Any]) -> Conf:
        conf: Conf = values[APP].conf
        return conf

    @pytest.fixture
    def values(self, values: dict[Key[Any], Any]) -> dict[Key[Any], Any]:
        return values

    @pytest.mark.slow
    def test_start_stop_stress(self, step: type[Autoreloader], settings: Conf, values: dict[Key[Any], Any]) -> None:
        """Fewer times than others: a watch takes up to 50 ms to end."""
        StartStopStress(step, settings, values).run(times=15)


def test_it_is_off_until_it_is_asked_for() -> None:
    conf = Conf()
    conf.section(AutoreloadSettings)

    assert "off: --autoreload not given" == Autoreloader.enabled(conf)


def test_a_change_replaces_the_hosts(
    values: dict[Key[Any], Any], counting_loop: CountingLoop, project: Path, save: Callable[[Path, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The new interpreter is told from where the app is imported; the loop's thread does the rest."""
    from kernelq_autoreload import project as its

    monkeypatch.setattr(its, "roots", lambda: ([str(project)], []))
    step, ctx = Autoreloader(), view(Autoreloader, values)
    step.start(ctx)
    try:
        save(project / "tasks.py", (project / "tasks.py").read_text().replace("def add", "def sum_of"))

        assert counting_loop.run_until(lambda: values[POOL].restarts == 1, 30)
        values[POOL].processes = [2]
        assert counting_loop.run_until(lambda: step.info(ctx)["reloads"] == 1, 30)
        assert ["tasks.sum_of"] == list(values[APP].tasks)
        assert [str(project)] == eventually(lambda: step.info(ctx)["folders"])
    finally:
        step.stop(ctx)


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda values: setattr(values[POOL], "processes", [os.getpid()]), "type -P threads"),
        (lambda values: setattr(values[WORKER], "load", ""), "type kernelq -A MODULE worker --autoreload"),
        (
            lambda values: values[APP].conf.update({"worker_start_method": "fork"}, source="command line"),
            r"worker_start_method \(from command line\) is 'fork'.*type --start-method spawn",
        ),
    ],
    ids=["a pool in the worker itself", "no name of the app", "hosts that are copies"],
)
def test_what_cannot_have_new_code_is_an_error(
    values: dict[Key[Any], Any], change: Callable[[Any], None], advice: str
) -> None:
    change(values)

    with pytest.raises(ConfigurationError, match=advice):
        Autoreloader().start(view(Autoreloader, values))
